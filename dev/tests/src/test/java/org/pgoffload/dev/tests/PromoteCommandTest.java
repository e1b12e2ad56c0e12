package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;

/// `pgoffload promote` and `adopt`, as a user calls them: on a PostgreSQL of its own and on topics
/// of its own.
class PromoteCommandTest extends OnSharedInstallation {
  private static final String TIMELINES = "select count(*) from pgoffload.server_timeline";

  @AutoClose
  private final PostgresServer server = PostgresServer.start(PostgresOptions.temporary("postgres"));

  private final DatabaseAddress database =
      new DatabaseAddress(
          server.host(), server.port(), "postgres", "postgres", Secret.of("postgres"), Map.of());

  @Test
  void changesNothingOnTheRecordedPrimary() throws Exception {
    assertThat(run("healthy", "install").status()).isZero();

    var shown = run("healthy", "promote");
    assertThat(shown.status()).isZero();
    assertThat(shown.output())
        .contains("server    timeline 1, WAL up to ", "record    timeline 1, WAL up to ")
        .contains("The server is the recorded primary.");

    var accepted = run("healthy", "promote", "--accept");
    assertThat(accepted.status()).isZero();
    assertThat(accepted.output()).contains("recorded primary already. Nothing has changed.");
    try (var session = database.connect("test")) {
      assertThat(query(session, TIMELINES)).containsExactly("1");
    }
  }

  @Test
  void acceptsTheServerWhereTheRecordIsLostAndSaysSoBefore() throws Exception {
    assertThat(run("lost", "install").status()).isZero();
    try (var session = database.connect("test");
        var admin = Admin.create(Map.of("bootstrap.servers", installation.kafkaBootstrap()))) {
      execute(session, "insert into llm_request (prompt) values ('p')");
      admin.deleteTopics(List.of("lost.control")).all().get();

      assertThat(run("lost", "install").errors()).contains("no_record");
      assertThat(run("lost", "rotate-key").errors()).contains("no_record", "lost.control");
      var shown = run("lost", "promote");
      assertThat(shown.status()).isEqualTo(1);
      assertThat(shown.output()).contains("record    none in topic lost.control", "no_record");

      var accepted = run("lost", "promote", "--accept");
      assertThat(accepted.status()).as(accepted.errors()).isZero();
      assertThat(accepted.output()).contains("The server is the recorded primary, on timeline 1.");
      assertThat(run("lost", "promote").status()).isZero();
      assertThat(query(session, TIMELINES)).containsExactly("2");
    }
  }

  @Test
  void saysWhatAnAdoptedCopyNeeds() {
    assertThat(run("original", "install").status()).isZero();
    var unasked = Command.run("adopt", "--database-url", database.uri());
    assertThat(unasked.status()).isZero();
    assertThat(unasked.output()).contains("Kafka was not asked", "if it is no copy, they stop");
    var adopted = run("original", "adopt");
    assertThat(adopted.status()).isZero();
    assertThat(adopted.output()).doesNotContain("Kafka was not asked");

    var shown = run("original", "promote");
    assertThat(shown.status()).isEqualTo(1);
    assertThat(shown.output()).contains("other_installation", "pgoffload install --topic-prefix");
    assertThat(run("original", "promote", "--accept").errors()).contains("other_installation");
    assertThat(run("original", "rotate-key").errors()).contains("other_installation");
    // the original's topics are not the copy's to remove
    assertThat(run("original", "uninstall", "--topics", "--yes").errors())
        .contains("other_installation");

    assertThat(run("copy", "install").status()).isZero();
    assertThat(run("copy", "promote").status()).isZero();
    assertThat(run("copy", "rotate-key").status()).isZero();
    // the database knows where its primary is recorded
    assertThat(run("original", "rotate-key").status()).isZero();
  }

  private Command.Outcome run(String prefix, String... arguments) {
    return Command.run(
        Stream.concat(
                Stream.of(arguments),
                Stream.of(
                    "--database-url",
                    database.uri(),
                    "--kafka",
                    installation.kafkaBootstrap(),
                    "--topic-prefix",
                    prefix))
            .toArray(String[]::new));
  }
}
