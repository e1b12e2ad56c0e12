package org.pgoffload.dev.servers;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// Lets a worker on this machine log in to a [PostgresServer] as the role that launched a task, and
/// as no other: with the worker's certificate, from an address of its own, as any member of
/// `pgbackground_role`. From every other address the members log in as before, by password.
///
/// Needs PostgreSQL 16. On 15, where the ident map takes `+pgbackground_role` for a name, a line
/// `pgoffload pgoffload-worker <role>` for each role has to be in the options.
///
/// @param certificates the directory with `authority.crt`, `server.crt`, `server.key`, `worker.crt`
///   and `worker.pk8`, in which the worker has the common name `pgoffload-worker`
/// @param address from which the worker alone connects: 127.0.0.2 or ::1
public record WorkerLogin(Path certificates, String address) {

  private static final String MAP = "pgoffload";
  private static final String WORKER = "pgoffload-worker";

  /// The whole of 127.0.0.0/8 is this machine on Linux.
  private static final String SECOND_LOOPBACK = "127.0.0.2";

  /// Where 127.0.0.1 is the only one (macOS), the other protocol's takes its place, and those who
  /// connect to `localhost` rather than 127.0.0.1 may meet the worker's rules.
  private static final String OTHER_LOOPBACK = "::1";

  /// Roles without a login for the worker, even if they are members.
  private static final String NEVER =
      "postgres,pgoffload_producer,pgoffload_worker,pgoffload_results";

  public WorkerLogin {
    if (!address.equals(SECOND_LOOPBACK) && !address.equals(OTHER_LOOPBACK)) {
      throw new IllegalArgumentException(
          "The worker's address has to be "
              + SECOND_LOOPBACK
              + " or "
              + OTHER_LOOPBACK
              + ": "
              + address);
    }
  }

  /// From the address that this machine allows.
  public static WorkerLogin with(Path certificates) {
    return new WorkerLogin(
        certificates, canBind(SECOND_LOOPBACK) ? SECOND_LOOPBACK : OTHER_LOOPBACK);
  }

  /// A copy of the options with encryption on and the worker's rules before all others.
  public PostgresOptions allowedBy(PostgresOptions options) {
    return allowedBy(options, ServerAccount.detect());
  }

  /// @param account which has to be able to read the server's key
  PostgresOptions allowedBy(PostgresOptions options, ServerAccount account) {
    account.own(certificates.resolve("server.key"));
    var settings = new HashMap<>(options.settings());
    settings.put("ssl", "on");
    settings.put("ssl_cert_file", file("server.crt"));
    settings.put("ssl_key_file", file("server.key"));
    settings.put("ssl_ca_file", file("authority.crt"));
    if (isVersionSix()) {
      settings.put("listen_addresses", "127.0.0.1," + address);
    }
    return options
        .withSettings(settings)
        .withAuthentication(
            Stream.concat(hbaLines().stream(), options.authentication().hbaLines().stream())
                .toList(),
            Stream.concat(
                    Stream.of(MAP + " " + WORKER + " +pgbackground_role"),
                    options.authentication().identLines().stream())
                .toList());
  }

  private List<String> hbaLines() {
    var from = address + (isVersionSix() ? "/128" : "/32");
    return List.of(
        // the line below holds for members of members, and so for an administrator who was made one
        "hostssl all " + NEVER + " " + from + " reject",
        "hostssl all +pgbackground_role " + from + " cert map=" + MAP,
        // no later line lets anybody in by password; `all` does not include `replication`
        "host all,replication all " + from + " reject");
  }

  /// The address to which the worker connects.
  public String host() {
    // pgjdbc compares the host, letter by letter, with what Java writes for the certificate's ::1
    return isVersionSix() ? "0:0:0:0:0:0:0:1" : "127.0.0.1";
  }

  /// The connection parameters of the worker's task sessions, as pgjdbc knows them.
  public Map<String, String> parameters() {
    return Map.of(
        "sslmode", "verify-full",
        "sslrootcert", file("authority.crt"),
        "sslcert", file("worker.crt"),
        "sslkey", file("worker.pk8"),
        "localSocketAddress", address);
  }

  private String file(String name) {
    return certificates.resolve(name).toString();
  }

  private boolean isVersionSix() {
    return address.equals(OTHER_LOOPBACK);
  }

  static boolean canBind(String address) {
    try (var socket = new Socket()) {
      socket.bind(new InetSocketAddress(InetAddress.getByName(address), 0));
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
