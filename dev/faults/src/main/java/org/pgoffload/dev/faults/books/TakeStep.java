package org.pgoffload.dev.faults.books;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Random;
import org.pgoffload.dev.faults.installation.Tag;

/// Takes one step of the load on a connection and writes down what its caller was told.
///
/// Stateless but for the journal; safe to share between threads.
public final class TakeStep {
  private final Journal journal;
  private final Duration patience;

  /// @param patience of an llm_ask
  TakeStep(Journal journal, Duration patience) {
    this.journal = journal;
    this.patience = patience;
  }

  /// @throws SQLException if the connection is of no use any more; the step is written down
  void take(Step step, Connection connection, Random random) throws SQLException {
    switch (step) {
      case Step.Transaction transaction -> insert(transaction, connection, random);
      case Step.Immediate immediate -> ask(immediate.kind(), connection, random);
    }
  }

  private record Inserted(Tag tag, Step.Row row) {}

  private void insert(Step.Transaction transaction, Connection connection, Random random)
      throws SQLException {
    var inserted = new ArrayList<Inserted>();
    boolean committing = false;
    try {
      connection.setAutoCommit(false);
      for (var row : transaction.rows()) {
        var tag = journal.next();
        inserted.add(new Inserted(tag, row));
        var savepoint = row.undone() && transaction.commits() ? connection.setSavepoint() : null;
        insert(row.kind(), tag, connection, random);
        if (savepoint != null) {
          connection.rollback(savepoint);
        }
      }
      if (transaction.commits()) {
        committing = true;
        connection.commit();
      } else {
        connection.rollback();
      }
      inserted.forEach(one ->
          journal.write(
              one.tag(),
              one.row().kind(),
              one.row().undone() ? Asked.Fate.ROLLED_BACK : Asked.Fate.ACCEPTED));
      connection.setAutoCommit(true);
    } catch (SQLException e) {
      // broken in the middle of the commit, the tables are asked later; before it, nothing is there
      boolean uncertain = committing;
      inserted.forEach(one ->
          journal.write(
              one.tag(),
              one.row().kind(),
              uncertain && !one.row().undone() ? Asked.Fate.UNCERTAIN : Asked.Fate.ROLLED_BACK));
      throw e;
    }
  }

  private static void insert(Asked.Kind kind, Tag tag, Connection connection, Random random)
      throws SQLException {
    var sql =
        kind.isLlm()
            ? "insert into llm_request (prompt) values (?)"
            : "insert into sql_request (command) values (?)";
    try (var statement = connection.prepareStatement(sql)) {
      statement.setString(1, kind.isLlm() ? prompt(tag) : command(kind, tag, random));
      statement.execute();
    }
  }

  private void ask(Asked.Kind kind, Connection connection, Random random) throws SQLException {
    var tag = journal.next();
    var sql =
        kind == Asked.Kind.LLM_ASKED
            ? "select llm_ask(?, timeout => '" + patience.toSeconds() + " s')"
            : "select (pg_background_launch_v2(?)).cookie";
    try (var statement = connection.prepareStatement(sql)) {
      statement.setString(1, kind.isLlm() ? prompt(tag) : command(kind, tag, random));
      statement.executeQuery().close();
      journal.write(tag, kind, Asked.Fate.ACCEPTED);
    } catch (SQLException e) {
      journal.write(tag, kind, fate(e));
      if (!isAnswer(e)) {
        throw e;
      }
    }
  }

  /// The request failed (it has a result), or no answer came: it was sent, and must have one.
  private static Asked.Fate fate(SQLException e) {
    if (!isAnswer(e)) {
      return Asked.Fate.UNCERTAIN;
    }
    return String.valueOf(e.getSQLState()).equals("LM001")
        ? Asked.Fate.ACCEPTED
        : Asked.Fate.REFUSED;
  }

  /// Whether the server has answered with an error of the request, on a connection that goes on.
  private static boolean isAnswer(SQLException e) {
    return String.valueOf(e.getSQLState()).startsWith("LM");
  }

  public static String prompt(Tag tag) {
    return "What is " + tag + "?";
  }

  /// The trace is left first, so that a task that dies later has left it.
  private static String command(Asked.Kind kind, Tag tag, Random random) {
    // one in four takes long enough to be met by a kill
    double pause = random.nextInt(4) == 0 ? 0.3 : 0.01;
    return kind.isAutocommit()
        ? "call app.leave_and_commit('" + tag + "', " + pause + ")"
        : "insert into app.effect values ('" + tag + "'); select pg_sleep(" + pause + ")";
  }
}
