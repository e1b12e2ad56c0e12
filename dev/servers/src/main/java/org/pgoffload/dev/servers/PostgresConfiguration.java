package org.pgoffload.dev.servers;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The texts of postgresql.conf, pg_hba.conf and pg_ident.conf. Pure functions; written anew at
/// each start, so that a directory follows the options rather than its past.
final class PostgresConfiguration {

  private static final String HEADER = "# Written by pgoffload at each start.\n";

  private static final String SETTINGS =
      """
      # Requests are captured by logical decoding.
      wal_level = logical
      # A committed request has to survive a crash; both are what a real installation has.
      fsync = on
      synchronous_commit = on
      # One producer and one in waiting, and room for tests that make their own.
      max_wal_senders = 10
      max_replication_slots = 10
      # Callers that wait hold a connection each, and every worker has a pool.
      max_connections = 200
      # A caller whose client is gone would wait on, with its connection and its snapshot.
      client_connection_check_interval = 2s
      # no other machine may connect
      listen_addresses = '127.0.0.1'
      # A socket would need a rule of its own, and its path is limited to 107 bytes.
      unix_socket_directories = ''
      password_encryption = 'scram-sha-256'
      # Commands and prompts are their owners' business: no failed statement is copied to the log.
      log_min_error_statement = panic
      # The log is there for what goes wrong.
      log_checkpoints = off
      # start() reads the log when a start fails, so the log has to be in English
      lc_messages = 'C'
      """;

  private PostgresConfiguration() {}

  /// The module's settings, overruled by those of the options: of two lines for one setting the
  /// last one counts. ALTER SYSTEM overrules both.
  static String postgresqlConf(Map<String, String> overruling, int port) {
    return overruling.entrySet().stream()
        .map(setting -> setting.getKey() + " = " + quoted(setting.getValue()) + "\n")
        .collect(Collectors.joining("", HEADER + SETTINGS, "port = " + port + "\n"));
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
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'";
  }
}
