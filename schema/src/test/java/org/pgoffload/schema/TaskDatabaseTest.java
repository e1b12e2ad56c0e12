package org.pgoffload.schema;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.TaskDatabase;

final class TaskDatabaseTest {
  private static final TaskDatabase DATABASE =
      new TaskDatabase(
          "db.example",
          5433,
          "orders db",
          Map.of("sslcert", "/some where/w.crt", "localSocketAddress", "::1"));

  @Test
  void readsTheUriThatItWrites() {
    assertThat(DATABASE.uri())
        .isEqualTo(
            "postgresql://db.example:5433/orders%20db?localSocketAddress=%3A%3A1&sslcert=%2Fsome%20where%2Fw.crt");
    assertThat(TaskDatabase.parse(DATABASE.uri())).isEqualTo(DATABASE);
  }

  @Test
  void readsParametersAsAPersonWritesThem() {
    assertThat(TaskDatabase.parse("postgres://h/d?sslcert=/w.crt&localSocketAddress=127.0.0.2"))
        .isEqualTo(
            new TaskDatabase(
                "h", 5432, "d", Map.of("sslcert", "/w.crt", "localSocketAddress", "127.0.0.2")));
  }

  @Test
  void leavesTheLoginToTheRole() {
    assertThat(DATABASE.as("app", "-c geqo=on"))
        .isEqualTo(
            new DatabaseAddress(
                "db.example",
                5433,
                "orders db",
                "app",
                null,
                Map.of(
                    "sslcert",
                    "/some where/w.crt",
                    "localSocketAddress",
                    "::1",
                    "options",
                    "-c geqo=on")));
    assertThat(
            new TaskDatabase("h", 1, "d", Map.of("options", "-c geqo=off"))
                .as("app", "-c geqo=on")
                .parameters())
        .containsExactly(Map.entry("options", "-c geqo=off -c geqo=on"));
  }

  @Test
  void namesASettingOnlyToAServerThatTakesIt() {
    assertThat(TaskDatabase.options(true, false))
        .isEqualTo(TaskDatabase.options(false, false) + " -c transaction_timeout=0");
    assertThat(TaskDatabase.options(false, true))
        .isEqualTo(TaskDatabase.options(false, false) + " -c client_connection_check_interval=1s");
  }

  @Test
  void takesFromLibpqsVariablesNothingOfThePartsLogin() {
    var variables =
        Map.of(
            "PGPORT", "5433",
            "PGUSER", "pgoffload_worker",
            "PGPASSWORD", "hunter2",
            "PGSSLCERT", "/part.crt",
            "PGSSLKEY", "/part.pk8",
            "PGOPTIONS", "-c geqo=off",
            "PGSSLMODE", "verify-full");
    assertThat(TaskDatabase.read("postgresql://h/d", variables))
        .isEqualTo(new TaskDatabase("h", 5433, "d", Map.of("sslmode", "verify-full")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "postgresql://app@h/d",
        "postgresql://app:hunter2@h/d",
        "postgresql://h/d?user=app",
        "postgresql://h/d?password=hunter2",
        "postgresql://:hunter2@h/d"
      })
  void refusesALoginOfItsOwn(String uri) {
    assertThatThrownBy(() -> TaskDatabase.parse(uri))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no user and no password")
        .hasMessageNotContaining("hunter2");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "mysql://h/d", "postgresql:///d", "postgresql://h", "postgresql://h:99999/d"})
  void refusesWhatDoesNotNameHostAndDatabase(String uri) {
    assertThatThrownBy(() -> TaskDatabase.parse(uri)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void takesTheRolesPasswordFromThePasswordFile(@TempDir Path directory)
      throws IOException, SQLException {
    var server = TestServer.of(PostgresVersion.V18).admin("postgres");
    var database =
        new TaskDatabase(server.host(), server.port(), server.database(), server.parameters());
    var file = directory.resolve("passwords");
    var place = server.host() + ":" + server.port() + ":*:";
    Files.writeString(file, place + "app:app\n" + place + "mallory:wrong\n", UTF_8);
    // the driver asks for it before the environment's PGPASSFILE
    System.setProperty("org.postgresql.pgpassfile", file.toString());
    try (var connection = database.as("app", TaskDatabase.options(true, true)).connect("test");
        var statement = connection.createStatement();
        var row = statement.executeQuery("select current_user")) {
      row.next();
      assertThat(row.getString(1)).isEqualTo("app");
      assertThatThrownBy(() -> database.as("mallory", "").connect("test"))
          .hasFieldOrPropertyWithValue("SQLState", "28P01");
      assertThatThrownBy(() -> database.as("lead", "").connect("test"))
          .hasMessageContaining("no password was provided");
    } finally {
      System.clearProperty("org.postgresql.pgpassfile");
    }
  }

  @Test
  void showsNoParameters() {
    assertThat(DATABASE).hasToString("db.example:5433/orders db");
  }
}
