package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.operations.credentials.Certificates;

/// Each role's password is its name.
@Timeout(120)
final class WorkerLoginTest {

  @TempDir static Path directory;

  private static WorkerLogin login;
  private static WorkerLogin overVersionSix;
  private static PostgresServer server;

  @BeforeAll
  static void start() throws SQLException {
    var certificates = Certificates.in(directory.resolve("certificates"));
    login = WorkerLogin.with(certificates.directory());
    overVersionSix = new WorkerLogin(certificates.directory(), "::1");
    server =
        PostgresServer.start(
            overVersionSix.allowedBy(
                login.allowedBy(
                    PostgresOptions.kept(directory.resolve("postgres"), "postgres")
                        // nothing here has to survive a crash
                        .withSettings(Map.of("fsync", "off")))));
    execute(
        server,
        """
        create role pgbackground_role;
        create role member login password 'member' in role pgbackground_role;
        create role stranger login password 'stranger';
        create role administrator superuser login password 'administrator';
        create role pgoffload_worker login password 'pgoffload_worker' in role pgbackground_role;
        grant pgbackground_role to postgres
        """);
  }

  @AfterAll
  static void end() {
    server.close();
  }

  @Test
  void logsInAsAMemberWithTheCertificateAndNoPassword() throws SQLException {
    try (var connection = open("member", null, login)) {
      assertThat(whoAndFromWhere(connection))
          .isEqualTo("member " + login.address() + " /CN=pgoffload-worker");
    }
  }

  @Test
  void worksWhereThereIsOneLoopbackAddressOfEachProtocol() throws SQLException {
    assumeThat(WorkerLogin.canBind("::1")).isTrue();
    try (var connection = open("member", null, overVersionSix)) {
      assertThat(whoAndFromWhere(connection)).isEqualTo("member ::1 /CN=pgoffload-worker");
    }
    assertThatThrownBy(() -> open("stranger", "stranger", overVersionSix))
        .hasMessageContaining("rejects connection");
  }

  /// The superuser and the worker's own role are members; the administrator and the stranger are
  /// not.
  @ParameterizedTest
  @ValueSource(strings = {"postgres", "pgoffload_worker", "administrator", "stranger"})
  void logsInAsNobodyElseWhateverThePassword(String role) {
    assertThatThrownBy(() -> open(role, role, login))
        .isInstanceOf(SQLException.class)
        .hasFieldOrPropertyWithValue("SQLState", "28000")
        .hasMessageContaining("pg_hba.conf rejects connection");
  }

  @ParameterizedTest
  @ValueSource(strings = {"member", "stranger", "postgres"})
  void letsNobodyInFromTheWorkersAddressWithoutTheCertificate(String role) {
    for (var mode : new String[] {"require", "disable"}) {
      assertThatThrownBy(() ->
              open(
                  role,
                  role,
                  login.host(),
                  Map.of("sslmode", mode, "localSocketAddress", login.address())))
          .isInstanceOf(SQLException.class)
          .hasFieldOrPropertyWithValue("SQLState", "28000");
    }
  }

  @Test
  void doesNotTrustTheCertificateOfAnotherAuthority() {
    var other =
        new WorkerLogin(Certificates.in(directory.resolve("other")).directory(), login.address());
    assertThatThrownBy(() -> open("member", null, other))
        .hasCauseInstanceOf(SSLHandshakeException.class);
    var trusting = new HashMap<>(other.parameters());
    trusting.put("sslrootcert", login.parameters().get("sslrootcert"));
    assertThatThrownBy(() -> open("member", null, login.host(), trusting))
        .isInstanceOf(SQLException.class);
    // what the client is told depends on whether it still writes when the server hangs up
    await()
        .untilAsserted(
            () -> assertThat(server.logFile()).content().contains("certificate verify failed"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"require", "disable"})
  void leavesAMemberThePasswordOnTheOrdinaryAddress(String mode) throws SQLException {
    try (var connection = open("member", "member", "127.0.0.1", Map.of("sslmode", mode))) {
      assertThat(whoAndFromWhere(connection)).startsWith("member 127.0.0.1");
    }
    assertThatThrownBy(() -> open("member", "wrong", "127.0.0.1", Map.of("sslmode", mode)))
        .hasFieldOrPropertyWithValue("SQLState", "28P01");
  }

  @Test
  void asksForThePasswordOnTheOrdinaryAddressAlsoWithTheCertificate() {
    var elsewhere = new HashMap<>(login.parameters());
    elsewhere.put("localSocketAddress", "127.0.0.1");
    assertThatThrownBy(() -> open("member", "wrong", "127.0.0.1", elsewhere))
        .hasFieldOrPropertyWithValue("SQLState", "28P01");
  }

  @Test
  void staysWithTheServerOnItsNextStart() throws SQLException {
    Certificates.in(directory.resolve("certificates"));
    server.stopImmediately();
    server = PostgresServer.start(server.options());
    try (var connection = open("member", null, login)) {
      assertThat(whoAndFromWhere(connection)).startsWith("member");
    }
  }

  @Test
  void givesTheServersKeyToTheAccountThatRunsIt() throws Exception {
    assumeThat(ServerAccount.isRoot()).isTrue();
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    var account = new ServerAccount.OtherUser("nobody");
    var certificates = Certificates.in(directory.resolve("of-nobody"));
    var options =
        WorkerLogin.with(certificates.directory())
            .allowedBy(PostgresOptions.kept(directory.resolve("nobodys"), "postgres"), account);
    assertThat(Files.getOwner(certificates.serverKey()).getName()).isEqualTo("nobody");
    assertThat(Files.getOwner(certificates.workerKey()).getName()).isEqualTo("root");
    try (var nobodys = PostgresServer.start(options, account)) {
      assertThat(nobodys.isRunning()).isTrue();
    }
  }

  private static String whoAndFromWhere(Connection connection) throws SQLException {
    try (var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                """
                select concat_ws(' ', current_user, host(inet_client_addr()), client_dn)
                from pg_stat_ssl where pid = pg_backend_pid()
                """)) {
      row.next();
      return row.getString(1);
    }
  }

  private static Connection open(String role, @Nullable String password, WorkerLogin as)
      throws SQLException {
    return open(role, password, as.host(), as.parameters());
  }

  private static Connection open(
      String role, @Nullable String password, String host, Map<String, String> parameters)
      throws SQLException {
    var properties = new Properties();
    properties.setProperty("user", role);
    if (password != null) {
      properties.setProperty("password", password);
    }
    properties.putAll(parameters);
    var address = host.contains(":") ? "[" + host + "]" : host;
    return DriverManager.getConnection(
        "jdbc:postgresql://" + address + ":" + server.port() + "/postgres", properties);
  }

  private static void execute(PostgresServer on, String sql) throws SQLException {
    try (var connection = DriverManager.getConnection(on.superuserUrl());
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }
}
