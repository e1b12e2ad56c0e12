package org.pgoffload.operations.checks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.pgoffload.schema.OnPostgresVersions;

/// A caller that waits, and whose client is gone.
final class ClientCheckTest extends OnPostgresVersions {
  private static final String CHECK =
      "select state, advice from llm_health where \"check\" = 'clients'";

  @Test
  void endsAWaitWhoseClientIsKilled() throws Exception {
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

  @Test
  void saysWhereItIsOffAndSetsItOnceForTheDatabase() {
    var address = database.address();
    assertThat(ClientCheck.advice(address)).isEmpty();
    database
        .admin()
        .run("alter database " + address.database() + " set client_connection_check_interval = 0");
    var statement =
        "alter database " + address.database() + " set client_connection_check_interval = '2s'";
    assertThat(ClientCheck.advice(address).orElseThrow()).contains("--set-client-check", statement);
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
