package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(120)
final class PostgresVersionTest {

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void startsTheVersionThatIsAskedFor(PostgresVersion version, @TempDir Path directory)
      throws SQLException {
    var options = PostgresOptions.kept(directory, "secret").withVersion(version);
    try (var server = PostgresServer.start(options);
        var connection = DriverManager.getConnection(server.superuserUrl());
        var statement = connection.createStatement();
        var result =
            statement.executeQuery(
                "select current_setting('server_version_num')::int / 10000,"
                    + " current_setting('wal_level'), count(*)"
                    + " from pg_catalog.pg_hba_file_rules where auth_method <> 'scram-sha-256'")) {
      assertThat(result.next()).isTrue();
      assertThat(result.getInt(1)).isEqualTo(version.major());
      assertThat(result.getString(2)).isEqualTo("logical");
      assertThat(result.getInt(3)).isZero();
    }
  }
}
