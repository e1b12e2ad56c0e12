package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Secret;

final class DatabaseAddressTest {
  private static final DatabaseAddress ADDRESS =
      new DatabaseAddress(
          "db.example",
          5433,
          "orders db",
          "app user",
          Secret.of("p@ss/w:rd +%"),
          Map.of("sslmode", "require"));

  @Test
  void readsTheUriThatItWrites() {
    assertThat(ADDRESS.uri())
        .isEqualTo(
            "postgresql://app%20user:p%40ss%2Fw%3Ard%20%2B%25@db.example:5433/orders%20db?sslmode=require");
    assertThat(DatabaseAddress.parse(ADDRESS.uri())).isEqualTo(ADDRESS);
  }

  @Test
  void takesPortAndDatabaseFromLibpqsDefaults() {
    assertThat(DatabaseAddress.parse("postgres://app@db.example"))
        .isEqualTo(new DatabaseAddress("db.example", 5432, "app", "app", null, Map.of()));
    assertThat(DatabaseAddress.parse("postgresql://app:@db.example/"))
        .isEqualTo(new DatabaseAddress("db.example", 5432, "app", "app", null, Map.of()));
  }

  @Test
  void readsAnAddressOfVersionSix() {
    var address = DatabaseAddress.parse("postgresql://app@[::1]:5433/d");
    assertThat(address.jdbcUrl()).isEqualTo("jdbc:postgresql://[::1]:5433/d");
    assertThat(DatabaseAddress.parse(address.uri())).isEqualTo(address);
  }

  /// A name that compose makes of a service's is one, as is any that the resolver knows.
  @Test
  void readsHostsOfAnyName() {
    for (var host : List.of("my_db", "db-1.my_project_default", "fe80::1%eth0", "ü.example")) {
      var address = new DatabaseAddress(host, 5432, "d", "app", null, Map.of());
      assertThat(DatabaseAddress.parse(address.uri())).isEqualTo(address);
    }
    assertThat(DatabaseAddress.parse("postgresql://app@my_db/d").jdbcUrl())
        .isEqualTo("jdbc:postgresql://my_db:5432/d");
  }

  @Test
  void readsSeveralServers() {
    var address =
        DatabaseAddress.parse(
            "postgresql://app@h1,[::1]:5433,h3/d?target_session_attrs=read-write");
    assertThat(address.servers())
        .containsExactly(
            new DatabaseServer("h1", 5432),
            new DatabaseServer("::1", 5433),
            new DatabaseServer("h3", 5432));
    assertThat(address.jdbcUrl()).isEqualTo("jdbc:postgresql://h1:5432,[::1]:5433,h3:5432/d");
    assertThat(address).hasToString("app@h1:5432,[::1]:5433,h3:5432/d");
    assertThat(DatabaseAddress.parse(address.uri())).isEqualTo(address);
    assertThat(address.properties("part")).containsEntry("targetServerType", "primary");
    assertThat(DatabaseAddress.parse("postgresql://app@/d?host=h1,h2&port=5433").servers())
        .containsExactly(new DatabaseServer("h1", 5433), new DatabaseServer("h2", 5433));
    assertThatThrownBy(() -> DatabaseAddress.parse("postgresql://app@h1,h2/d?port=1,2,3"))
        .hasMessageContaining("2 hosts and 3 ports");
  }

  @Test
  void takesFromLibpqsVariablesWhatTheUriLeavesOut() {
    var variables =
        Map.of(
            "PGHOST", "other",
            "PGPORT", "5433",
            "PGPASSWORD", "secret",
            "PGDATABASE", "d",
            "PGSSLMODE", "verify-full",
            "PGCHANNELBINDING", "require");
    assertThat(DatabaseAddress.read("postgresql://app@h?sslmode=require", variables))
        .isEqualTo(
            new DatabaseAddress(
                "h",
                5433,
                "d",
                "app",
                Secret.of("secret"),
                Map.of("sslmode", "require", "channel_binding", "require")));
  }

  /// The driver sends one password to every server: none is sent where it may not belong.
  @Test
  void takesThePasswordOfTheFileThatIsTheSameForEveryServer(@TempDir Path directory)
      throws IOException {
    var file =
        Files.writeString(
            directory.resolve("passwords"),
            """
            h1:5432:d:both:same
            h2:5433:d:both:same
            h1:5432:d:one:ours
            """);
    System.setProperty("org.postgresql.pgpassfile", file.toString());
    try {
      assertThat(DatabaseAddress.parse("postgresql://both@h1,h2:5433/d").properties("part"))
          .containsEntry("password", "same");
      assertThat(DatabaseAddress.parse("postgresql://one@h1,h2:5433/d").properties("part"))
          .doesNotContainKey("password");
      assertThat(DatabaseAddress.parse("postgresql://one@h1/d").properties("part"))
          .containsEntry("password", "ours");
    } finally {
      System.clearProperty("org.postgresql.pgpassfile");
    }
  }

  @Test
  void refusesASocketDirectory() {
    assertThatThrownBy(() -> DatabaseAddress.parse("postgresql://app@%2Frun%2Fpostgresql/d"))
        .hasMessageContaining("socket directory");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "hunter2",
        "jdbc:postgresql://app:hunter2@h/d",
        "mysql://app:hunter2@h/d",
        "postgresql://h/d",
        "postgresql://app:hunter2 @h/d",
        "postgresql://app:hunter2%@h/d",
        "postgresql://app:hun/ter2@h/d",
        "postgresql://app@h/d?password=hun&ter2",
        "postgresql://app@h/d?password=hun=ter2",
        "postgresql://app:hunter2@h:99999/d",
        "postgresql:///d?password=hunter2"
      })
  void refusesAnythingElseWithoutRepeatingIt(String uri) {
    assertThatThrownBy(() -> DatabaseAddress.parse(uri))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("hunter2")
        .hasMessageNotContaining("ter2");
  }

  @Test
  void showsNoPassword() {
    assertThat(ADDRESS).hasToString("app user@db.example:5433/orders db");
    assertThat(ADDRESS.jdbcUrl()).isEqualTo("jdbc:postgresql://db.example:5433/orders+db");
  }

  @Test
  void givesTheDriverWhatItNeeds() {
    assertThat(ADDRESS.properties("part"))
        .isEqualTo(
            Map.of(
                "user", "app user",
                "password", "p@ss/w:rd +%",
                "ApplicationName", "part",
                "tcpKeepAlive", "true",
                "connectTimeout", "10",
                "sslmode", "require"));
  }
}
