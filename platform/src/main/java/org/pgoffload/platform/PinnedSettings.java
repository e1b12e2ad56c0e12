package org.pgoffload.platform;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/// The settings on which the statements of pgoffload's own sessions depend. `ALTER ROLE … SET` and
/// `ALTER DATABASE … SET`, which are meant for the application, would change them for the parts,
/// too: a database that is read-only by default would stop every part, and a role with
/// `synchronous_commit = off` could lose a result after its offset is committed.
///
/// They go with the login, where nothing can come before them, and RESET comes back to them. What
/// not every supported version knows, or not every role may set, is set by the first statement.
/// `client_encoding`, `TimeZone` and `DateStyle` are pinned by the driver.
///
/// Sessions of tasks are the launching roles' own and have none of these.
public final class PinnedSettings {
  /// The first statement of a session. It needs no right, unless a superuser has put the role or
  /// the database into `session_replication_role = replica`, where our triggers would not fire.
  /// Then the statement fails, and the error names the setting. Its first row is
  /// [DirectLogin#SOURCE_OF_A_SETTING].
  public static final String FIRST_STATEMENT =
      "select "
          + DirectLogin.SOURCE_OF_A_SETTING
          // from PostgreSQL 17 on
          + " union all select pg_catalog.set_config('transaction_timeout', '0', false)"
          + " where pg_catalog.current_setting('transaction_timeout', true) <> '0'"
          // what is committed is durable, whatever else it waits for
          + " union all select pg_catalog.set_config('synchronous_commit', 'on', false)"
          + " where pg_catalog.current_setting('synchronous_commit') = 'off'"
          + " union all select pg_catalog.set_config('session_replication_role', 'origin', false)"
          + " where pg_catalog.current_setting('session_replication_role') <> 'origin'";

  private static final Map<String, String> SETTINGS = settings();

  private PinnedSettings() {}

  private static Map<String, String> settings() {
    var settings = new LinkedHashMap<String, String>();
    // the role that logs in is the one that has the part's rights
    settings.put("role", "none");
    settings.put("default_transaction_read_only", "off");
    settings.put("default_transaction_isolation", "read committed");
    settings.put("default_transaction_deferrable", "off");
    // each part has bounds of its own, and its pooled sessions rest
    settings.put("lock_timeout", "0");
    settings.put("idle_in_transaction_session_timeout", "0");
    settings.put("idle_session_timeout", "0");
    settings.put("exit_on_error", "off");
    // every object of ours is qualified: no other's may come before the system's
    settings.put("search_path", "pg_catalog, pg_temp");
    settings.put("row_security", "on");
    // how values are read and written as text
    settings.put("IntervalStyle", "postgres");
    settings.put("bytea_output", "hex");
    settings.put("extra_float_digits", "1");
    settings.put("standard_conforming_strings", "on");
    settings.put("quote_all_identifiers", "off");
    settings.put("transform_null_equals", "off");
    settings.put("array_nulls", "on");
    // short statements on partitioned tables, by indexes: to compile one takes longer than to run
    // it
    settings.put("jit", "off");
    settings.put("plan_cache_mode", "auto");
    settings.put("enable_partition_pruning", "on");
    settings.put("enable_indexscan", "on");
    settings.put("enable_bitmapscan", "on");
    // prompts and answers are parameters, and a log is no place for them
    settings.put("log_parameter_max_length_on_error", "0");
    settings.put("client_min_messages", "notice");
    return Map.copyOf(settings);
  }

  /// As the startup parameter `options` has them.
  ///
  /// @param statementTimeout zero for none
  static String options(Duration statementTimeout) {
    return SETTINGS.entrySet().stream()
            .sorted(Map.Entry.comparingByKey())
            .map(setting -> "-c " + setting.getKey() + "=" + setting.getValue().replace(" ", "\\ "))
            .collect(Collectors.joining(" "))
        + " -c statement_timeout="
        + statementTimeout.toMillis();
  }
}
