package org.pgoffload.dev.servers;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The texts of postgresql.conf, pg_hba.conf and pg_ident.conf. Pure functions; written anew at
/// each start, so that a directory follows the options rather than its past.
final class PostgresConfiguration {

  private static final String HEADER = "# Written by pgoffload at each start.\n";

  private PostgresConfiguration() {}

  /// The module's settings, overruled by those of the options. ALTER SYSTEM overrules both.
  static Map<String, String> settings(Map<String, String> overruling) {
    var settings = new LinkedHashMap<String, String>();
    // Requests are captured by logical decoding.
    settings.put("wal_level", "logical");
    // A committed request has to survive a crash; both are what a real installation has.
    settings.put("fsync", "on");
    settings.put("synchronous_commit", "on");
    // One producer and one in waiting, and room for tests that make their own.
    settings.put("max_wal_senders", "10");
    settings.put("max_replication_slots", "10");
    // Callers that wait hold a connection each, and every worker has a pool.
    settings.put("max_connections", "200");
    // A caller whose client is gone would wait on, with its connection and its snapshot.
    settings.put("client_connection_check_interval", "2s");
    // no other machine may connect
    settings.put("listen_addresses", "127.0.0.1");
    // A socket would need a rule of its own, and its path is limited to 107 bytes.
    settings.put("unix_socket_directories", "");
    settings.put("password_encryption", "scram-sha-256");
    // Commands and prompts are their owners' business: no failed statement is copied to the log.
    settings.put("log_min_error_statement", "panic");
    // The log is there for what goes wrong.
    settings.put("log_checkpoints", "off");
    // start() reads the log when a start fails, so the log has to be in English
    settings.put("lc_messages", "C");
    settings.putAll(overruling);
    return settings;
  }

  static String postgresqlConf(Map<String, String> settings) {
    return settings.entrySet().stream()
        .map(setting -> setting.getKey() + " = " + quoted(setting.getValue()) + "\n")
        .collect(Collectors.joining("", HEADER, ""));
  }

  static String pgHbaConf(List<String> first) {
    return Stream.concat(
            first.stream(),
            Stream.of(
                "host all all 127.0.0.1/32 scram-sha-256",
                "host all all ::1/128 scram-sha-256",
                "host replication all 127.0.0.1/32 scram-sha-256",
                "host replication all ::1/128 scram-sha-256"))
        .collect(Collectors.joining("\n", HEADER, "\n"));
  }

  static String pgIdentConf(List<String> lines) {
    return lines.stream().map(line -> line + "\n").collect(Collectors.joining("", HEADER, ""));
  }

  private static String quoted(String value) {
    return "'" + value.replace("'", "''") + "'";
  }
}
