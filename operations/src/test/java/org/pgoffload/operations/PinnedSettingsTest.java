package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.operations.keys.RotateKeys;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;

/// What an administrator gives the sessions of the application, by role or by database, does not
/// reach those of the parts.
final class PinnedSettingsTest extends OnPostgresVersions {
  /// Each with what a part's session has instead.
  private static final Map<List<String>, String> SETTINGS =
      Map.ofEntries(
          Map.entry(List.of("default_transaction_read_only", "on"), "off"),
          Map.entry(List.of("default_transaction_isolation", "serializable"), "read committed"),
          Map.entry(List.of("default_transaction_deferrable", "on"), "off"),
          Map.entry(List.of("statement_timeout", "1"), "0"),
          Map.entry(List.of("lock_timeout", "1"), "0"),
          Map.entry(List.of("idle_in_transaction_session_timeout", "1"), "0"),
          Map.entry(List.of("idle_session_timeout", "1"), "0"),
          Map.entry(List.of("exit_on_error", "on"), "off"),
          Map.entry(List.of("search_path", "evil, pg_catalog"), "pg_catalog, pg_temp"),
          Map.entry(List.of("row_security", "off"), "on"),
          Map.entry(List.of("role", "nobody"), "none"),
          Map.entry(List.of("session_replication_role", "replica"), "origin"),
          Map.entry(List.of("synchronous_commit", "off"), "on"),
          Map.entry(List.of("DateStyle", "SQL, DMY"), "ISO, MDY"),
          Map.entry(List.of("IntervalStyle", "sql_standard"), "postgres"),
          Map.entry(List.of("bytea_output", "escape"), "hex"),
          Map.entry(List.of("extra_float_digits", "-15"), "1"),
          Map.entry(List.of("standard_conforming_strings", "off"), "on"),
          Map.entry(List.of("quote_all_identifiers", "on"), "off"),
          Map.entry(List.of("transform_null_equals", "on"), "off"),
          Map.entry(List.of("array_nulls", "off"), "on"),
          Map.entry(List.of("client_encoding", "LATIN1"), "UTF8"),
          Map.entry(List.of("client_min_messages", "error"), "notice"),
          Map.entry(List.of("jit", "on"), "off"),
          Map.entry(List.of("plan_cache_mode", "force_generic_plan"), "auto"),
          Map.entry(List.of("enable_partition_pruning", "off"), "on"),
          Map.entry(List.of("enable_indexscan", "off"), "on"),
          Map.entry(List.of("enable_bitmapscan", "off"), "on"),
          Map.entry(List.of("log_parameter_max_length_on_error", "-1"), "0"));

  @BeforeEach
  void giveTheApplicationItsSettings() {
    for (var setting : SETTINGS.keySet()) {
      var value =
          setting.getFirst().equals("search_path") || setting.getFirst().equals("DateStyle")
              ? setting.getLast()
              : "'" + setting.getLast() + "'";
      // nobody logs in as another role that has not been granted to them
      if (!setting.getFirst().equals("role")) {
        outside("alter database %s set %s = %s", setting.getFirst(), value);
      }
      outside("alter role results_login in database %s set %s = %s", setting.getFirst(), value);
    }
    if (version.major() >= 17) {
      outside("alter database %s set %s = %s", "transaction_timeout", "'30s'");
    }
    try (var admin = Session.open(server().admin("postgres"))) {
      admin.run("grant nobody to results_login");
    }
  }

  @AfterEach
  void takeThemBack() {
    try (var admin = Session.open(server().admin("postgres"))) {
      admin.run("alter database " + database.address().database() + " reset all");
      admin.run(
          "alter role results_login in database " + database.address().database() + " reset all");
    }
  }

  private TestServer server() {
    return TestServer.of(version);
  }

  private void outside(String sql, String setting, String value) {
    try (var admin = Session.open(server().admin("postgres"))) {
      admin.run(sql.formatted(database.address().database(), setting, value));
    }
  }

  @Test
  void aPartsSessionHasItsOwn() throws SQLException {
    // without the right to set it, a login of a role in session_replication_role = replica is none
    outside("alter database %s reset %s -- %s", "session_replication_role", "");
    outside(
        "alter role results_login in database %s reset %s -- %s", "session_replication_role", "");
    for (var login : List.of(database.address(), database.as("results_login"))) {
      try (var connection = login.connect("test", Duration.ofSeconds(30), Duration.ofSeconds(7));
          var statement = connection.createStatement()) {
        var expected = new TreeMap<String, String>();
        SETTINGS.forEach((setting, value) -> expected.put(setting.getFirst(), value));
        expected.put("statement_timeout", "7s");
        if (version.major() >= 17) {
          expected.put("transaction_timeout", "0");
        }
        var found = new TreeMap<String, String>();
        for (var name : expected.keySet()) {
          var row = statement.executeQuery("select current_setting('" + name + "')");
          row.next();
          found.put(name, row.getString(1));
        }
        assertThat(found).isEqualTo(expected);
      }
    }
  }

  @Test
  void aSettingThatThePartMayNotChangeIsNamed() {
    assertThatThrownBy(() -> database.as("results_login").connectAsPart("test"))
        .isInstanceOf(SQLException.class)
        .hasMessageContaining("session_replication_role");
  }

  @Test
  void whatTheAddressSaysOfOneDoesNotReachThePartsEither() throws SQLException {
    var address =
        database.address().withParameters(Map.of("options", "-c search_path=evil -c geqo=off"));
    try (var connection = address.connectAsPart("test");
        var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                "select current_setting('search_path'), current_setting('geqo')")) {
      row.next();
      assertThat(row.getString(1)).isEqualTo("pg_catalog, pg_temp");
      assertThat(row.getString(2)).isEqualTo("off");
    }
  }

  @Test
  void everyCommandOfTheOwnerDoesItsWork() throws SQLException {
    var address = database.address();
    assertThat(InstallSchema.run(address, "public")).isEmpty();
    assertThat(InstallSlot.run(address, address.database(), Duration.ofSeconds(5), _ -> {}))
        .isEmpty();
    InstallSlot.record(address, address.database());
    assertThat(RemoveOldRequests.run(address, true)).isEmpty();
    RotateKeys.rotate(address);
    assertThat(RotateKeys.list(address)).hasSizeGreaterThan(1);
    assertThat(InstallationStatus.read(address)).isNotNull();
    assertThat(TopicSettings.read(address)).isNotNull();
    try {
      InstallLogins.run(address, Map.of("pgoffload_results", Secret.of("p")));
    } finally {
      // the role is the whole server's, which other tests share
      database.admin().run("alter role pgoffload_results nologin password null");
    }
  }

  @Test
  void aFirstInstallationIsAsAnyOther() {
    var empty = server().newEmptyDatabase();
    try (var admin = Session.open(server().admin("postgres"))) {
      for (var setting :
          List.of(
              "default_transaction_read_only = on",
              "statement_timeout = '1ms'",
              "search_path = evil",
              "quote_all_identifiers = on",
              "standard_conforming_strings = off",
              "session_replication_role = replica")) {
        admin.run("alter database " + empty.database() + " set " + setting);
      }
    }
    assertThat(InstallSchema.run(empty, "public")).isNotEmpty();
    assertThat(InstallSchema.run(empty, "public")).isEmpty();
    server().drop(empty);
  }
}
