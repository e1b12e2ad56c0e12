package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.schema.ForPostgresVersions;
import org.pgoffload.schema.TestServer;

/// A caller that waits, and whose client is gone.
class ClientCheckTest {
  private static final String CHECK =
      "select state, advice from llm_health where \"check\" = 'clients'";

  @ForPostgresVersions
  void endsAWaitWhoseClientIsKilled(PostgresVersion version) throws Exception {
    try (var database = TestServer.of(version).newDatabase()) {
      var app = database.open("app");
      app.run("set statement_timeout = 0");
      var pid = app.number("select pg_backend_pid()");
      var waiting =
          CompletableFuture.runAsync(() -> app.run("select llm_ask('p', timeout => '10 min')"));
      database.awaitSent();
      // as a client that is killed: no word to the server
      app.connection().abort(Runnable::run);
      await()
          .atMost(Duration.ofMinutes(1))
          .until(() ->
              database.admin().rows("select from pg_stat_activity where pid = ?", pid).isEmpty());
      await().until(waiting::isCompletedExceptionally);
    }
  }

  @ForPostgresVersions
  void saysWhereItIsOffAndSetsItOnceForTheDatabase(PostgresVersion version) {
    try (var database = TestServer.of(version).newDatabase()) {
      var address = database.address();
      assertThat(ClientCheck.advice(address)).isEmpty();
      database
          .admin()
          .run(
              "alter database " + address.database() + " set client_connection_check_interval = 0");
      var statement =
          "alter database " + address.database() + " set client_connection_check_interval = '2s'";
      assertThat(ClientCheck.advice(address).orElseThrow())
          .contains("--set-client-check", statement);
      try (var app = database.open("app")) {
        assertThat(app.rows(CHECK)).singleElement().asString().startsWith("ok|Run: " + statement);
      }
      assertThat(ClientCheck.set(address)).isPresent();
      assertThat(ClientCheck.set(address)).isEmpty();
      assertThat(ClientCheck.advice(address)).isEmpty();
      try (var app = database.open("app")) {
        assertThat(app.rows(CHECK)).containsExactly("ok|null");
      }
    }
  }
}
