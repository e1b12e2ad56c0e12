package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.pgoffload.dev.tests.Sql.value;

import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.servers.PgBouncer;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.PoolerException;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.TaskLogin;
import org.pgoffload.worker.sql.sessions.TaskSessions;

/// Parts and commands refuse a pooler by name. Where there is no PgBouncer, they are skipped.
class PartsBehindPoolersTest extends OnSharedInstallation {
  private static final String ANSWER =
      "pooled_connection: a pooler, such as PgBouncer, answers for";

  @Test
  void refuseThePoolerThatRefusesTheSettingsOfTheirLogin() throws Exception {
    try (var pooler = PgBouncer.start("transaction", 1, "", installation.admin())) {
      assertRefused(pooler.address(installation.admin()), "pooled_connection: PgBouncer answers");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"session", "transaction", "statement"})
  void refuseThePoolerThatDropsTheSettingsOfTheirLogin(String mode) throws Exception {
    try (var pooler = PgBouncer.start(mode, 1, "options", installation.admin())) {
      assertRefused(pooler.address(installation.admin()), ANSWER);
    }
  }

  private static void assertRefused(DatabaseAddress address, String words) throws SQLException {
    // an application is let in
    try (var app = address.connect("test")) {
      assertThat(value(app, "select 1")).isEqualTo("1");
    }
    assertThatThrownBy(() -> address.connectAsPart("test"))
        .isInstanceOf(PoolerException.class)
        .hasMessageStartingWith(words)
        .hasMessageContaining("give pgoffload the address of PostgreSQL itself");
    var status = Command.run("status", "--database-url", address.uri());
    assertThat(status.output() + status.errors()).contains(words);
    assertThat(status.status()).isEqualTo(1);
  }

  @Test
  void aWorkerDoesNotStart(@TempDir Path directory) throws Exception {
    var environment = new TreeMap<>(installation.joiningEnvironment());
    environment.put("LLM_PROVIDER", "openai");
    environment.put("OPENAI_API_KEY", VendorStub.KEY);
    environment.put("OPENAI_BASE_URL", shared.openai().url() + "/v1");
    var login = DatabaseAddress.parse(environment.get("PGOFFLOAD_WORKER_DATABASE_URL"));
    try (var pooler = PgBouncer.start("session", 1, "options", login)) {
      environment.put("PGOFFLOAD_WORKER_DATABASE_URL", pooler.address(login).uri());
      try (var worker = Command.start(directory, environment, "worker")) {
        assertThat(worker.awaitExit(PATIENCE)).isEqualTo(1);
        assertThat(worker.output()).contains("the worker cannot connect to", ANSWER);
      }
    }
  }

  @Test
  void noTaskRunsOnASharedSession() throws Exception {
    var role = installation.application();
    try (var pooler = PgBouncer.start("transaction", 1, "options", role)) {
      var address = pooler.address(role);
      var tasks = new TaskDatabase(address.host(), address.port(), role.database(), Map.of());
      var oid = Long.parseLong(value(app, "select 'app'::regrole::oid"));
      var login = new TaskLogin(oid, "app", false, TaskDatabase.options(false, false));
      try (var sessions =
          new TaskSessions(
              () -> tasks, _ -> login, "w", new SqlLimits(1, 1, Duration.ofSeconds(30)))) {
        assertThatThrownBy(() -> sessions.open(oid)).hasMessageStartingWith(ANSWER);
      }
    }
  }
}
