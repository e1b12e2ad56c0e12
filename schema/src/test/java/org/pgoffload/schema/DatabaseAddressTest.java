package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
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

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "hunter2",
        "jdbc:postgresql://app:hunter2@h/d",
        "mysql://app:hunter2@h/d",
        "postgresql://h/d",
        "postgresql://app:hunter2 @h/d",
        "postgresql://app:hunter2@h:99999/d",
        "postgresql:///d?password=hunter2"
      })
  void refusesAnythingElseWithoutRepeatingIt(String uri) {
    assertThatThrownBy(() -> DatabaseAddress.parse(uri))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("hunter2");
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
