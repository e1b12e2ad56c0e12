package org.pgoffload.dev.launcher;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/// The story that `demo` tells: each statement, its answer and its time, as the ordinary role
/// `app`; then the same answers as a downstream consumer reads them.
public final class Story {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final LocalInstallation installation;
  private final PrintWriter out;

  Story(LocalInstallation installation, PrintWriter out) {
    this.installation = installation;
    this.out = out;
  }

  /// @throws SQLException if a statement does not do what the story says
  void tell() throws SQLException, InterruptedException {
    out.println("\nAs role app, which is no superuser:");
    try (var app = installation.application().connect("pgoffload demo")) {
      run(app, "listen llm_done");
      run(app, "listen sql_done");

      heading("Fire and poll");
      var id =
          run(app, "insert into llm_request (prompt) values ('Why is the sky blue?') returning id");
      run(app, "select * from llm_wait(array[" + id + "], '30 s')");
      run(app, "select llm_status(" + id + "), llm_result(" + id + ")");

      heading("One statement");
      run(app, "select llm_ask('Explain PostgreSQL background workers in one sentence')");

      heading(
          "Inside a transaction: the answer comes before the commit, and even though it rolls back");
      run(app, "begin");
      run(app, "select llm_ask('What is a write-ahead log?')");
      run(app, "rollback");

      heading("Rolled back before its commit: no call is made");
      run(app, "begin");
      var rolledBack = run(app, "select llm_submit('Nobody will ever read this')");
      run(app, "rollback");
      refused(app, "select llm_status(" + rolledBack + ")");

      heading("What is refused");
      refused(app, "insert into llm_request (prompt) values ('')");
      refused(app, "select llm_ask('Hello', options => '{\"temprature\": 1}')");

      heading("Who answers");
      run(app, "select llm_provider()");
      run(app, "select * from llm_response(" + id + ")");

      heading("SQL in the background, in one statement, with the caller's own login");
      run(
          app,
          "select * from pg_background_result(pg_background_launch('select current_user::text, 6 * 7'))"
              + " as (who text, answer int)");

      heading("An autonomous transaction: it outlives the rollback");
      run(app, "create table audit (line text)");
      run(app, "begin");
      var pid =
          run(app, "select pg_background_launch('insert into audit values (''it was tried'')')");
      run(app, "rollback");
      run(app, "select * from pg_background_result(" + pid + ") as (tag text)");
      run(app, "select * from audit");

      heading("Fire and poll, and a cancelled task");
      var slow =
          run(
              app,
              "insert into sql_request (command, label) values ('select pg_sleep(60)', 'slow') returning id");
      run(app, "select sql_cancel(" + slow + ")");
      run(app, "select * from llm_wait(array[" + slow + "], '30 s')");

      heading("A task's error is raised as its own");
      refused(
          app,
          "select * from pg_background_result(pg_background_launch('select 1 / 0')) as (n int)");

      heading("A column that a model keeps answered while its table changes");
      run(app, "create table ticket (id int primary key, body text, mood text)");
      run(
          app,
          "select llm_maintain('ticket_mood', source => 'ticket', target => 'mood',"
              + " ask => 'The mood of this ticket, in one word: {body}')");
      run(app, "insert into ticket values (1, 'All is well'), (2, 'The app crashes')");
      run(app, "update ticket set body = 'It works again' where id = 2");
      awaitTrue(app, "select pending = 0 from llm_maintained");
      run(app, "select id, mood from ticket order by id");
      run(app, "select name, status, done from llm_maintained");

      heading("Those who LISTEN were told");
      var notifications = app.unwrap(PGConnection.class).getNotifications(1000);
      for (var notification : notifications) {
        out.println("  " + notification.getName() + " '" + notification.getParameter() + "'");
      }
    }
    consume();
  }

  private void heading(String heading) {
    out.println("\n-- " + heading);
  }

  private String run(Connection connection, String sql) throws SQLException {
    out.println("app=> " + sql + ";");
    out.flush();
    var begun = System.nanoTime();
    var first = "";
    try (var statement = connection.createStatement()) {
      boolean hasRows = statement.execute(sql);
      var took = (System.nanoTime() - begun) / 1e6;
      if (hasRows) {
        first = print(statement.getResultSet());
      }
      out.printf("  (%.1f ms)%n", took);
    }
    out.flush();
    return first;
  }

  /// Of what comes by itself: nothing is printed meanwhile.
  private static void awaitTrue(Connection connection, String sql)
      throws SQLException, InterruptedException {
    var deadline = Instant.now().plus(PATIENCE);
    try (var statement = connection.createStatement()) {
      while (true) {
        try (var rows = statement.executeQuery(sql)) {
          if (rows.next() && rows.getBoolean(1)) {
            return;
          }
        }
        if (Instant.now().isAfter(deadline)) {
          throw new SQLException("this should have become true: " + sql);
        }
        Thread.sleep(50);
      }
    }
  }

  private void refused(Connection connection, String sql) throws SQLException {
    out.println("app=> " + sql + ";");
    var begun = System.nanoTime();
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException e) {
      if (e instanceof PSQLException refusal && refusal.getServerErrorMessage() != null) {
        print(refusal.getServerErrorMessage());
      } else {
        out.println("  " + e.getMessage());
      }
      out.printf("  (SQLSTATE %s, %.1f ms)%n", e.getSQLState(), (System.nanoTime() - begun) / 1e6);
      return;
    }
    throw new SQLException("this should have been refused: " + sql);
  }

  /// As psql shows it, without the context: the lines of functions say nothing to a user.
  private void print(ServerErrorMessage refusal) {
    out.println("  " + refusal.getSeverity() + ":  " + refusal.getMessage());
    if (refusal.getDetail() != null) {
      out.println("  DETAIL:  " + refusal.getDetail());
    }
    if (refusal.getHint() != null) {
      out.println("  HINT:  " + refusal.getHint());
    }
  }

  private String print(ResultSet rows) throws SQLException {
    var first = "";
    while (rows.next()) {
      int columns = rows.getMetaData().getColumnCount();
      for (int column = 1; column <= columns; column++) {
        var value = rows.getString(column);
        if (first.isEmpty() && value != null) {
          first = value;
        }
        if (value != null && !value.isEmpty()) {
          out.println("  " + rows.getMetaData().getColumnLabel(column) + " = " + value);
        }
      }
    }
    return first;
  }

  private void consume() {
    var topic = installation.topics().results();
    out.println("\nA downstream consumer of the topic " + topic + ":");
    try (var consumer =
        new KafkaConsumer<>(
            Map.<String, Object>of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, installation.kafkaBootstrap(),
                ConsumerConfig.GROUP_ID_CONFIG, "demo",
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest"),
            new StringDeserializer(),
            new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      int left = 3;
      var deadline = Instant.now().plusSeconds(20);
      while (left > 0 && Instant.now().isBefore(deadline)) {
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          out.println("  " + record.key() + " " + record.value());
          left--;
        }
      }
      if (left > 0) {
        throw new IllegalStateException("the results topic has " + left + " answers too few");
      }
    }
    out.println();
    out.flush();
  }
}
