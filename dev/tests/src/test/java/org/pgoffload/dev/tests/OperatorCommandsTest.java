package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.dev.tests.Sql.execute;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;

/// `pgoffload pause`, `resume` and `status`, as an operator calls them, who may read no setting and
/// no record of the installation.
class OperatorCommandsTest extends OnSharedInstallation {
  @Test
  void anOperatorPausesAndResumesAModelWhereKafkaIsConfigured() throws SQLException {
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "create role an_operator login password 'p' in role pgoffload_operator");
      try {
        assertThat(run("pause").output()).contains("model no-such-model is paused.");
        assertThat(run("pause").output()).contains("was paused already.");
      } finally {
        assertThat(run("resume").output()).contains("model no-such-model ");
        execute(admin, "drop role an_operator");
      }
    }
  }

  @Test
  void anOperatorReadsTheStatus() throws SQLException {
    try (var admin = installation.admin().connect("test")) {
      execute(admin, "create role an_operator login password 'p' in role pgoffload_operator");
      try {
        var status =
            Command.run(
                "status",
                "--database-url",
                installation.admin().as("an_operator", Secret.of("p")).uri());
        assertThat(status.errors()).isEmpty();
        assertThat(status.output()).contains("worker");
      } finally {
        execute(admin, "drop role an_operator");
      }
    }
  }

  private Command.Outcome run(String command) {
    var ran =
        Command.run(
            command,
            "--model",
            "no-such-model",
            "--database-url",
            installation.admin().as("an_operator", Secret.of("p")).uri(),
            "--kafka",
            installation.kafkaBootstrap());
    assertThat(ran.status()).as(ran.errors()).isZero();
    return ran;
  }
}
