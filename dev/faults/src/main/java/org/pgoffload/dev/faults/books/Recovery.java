package org.pgoffload.dev.faults.books;

import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.Sql;
import org.pgoffload.platform.DatabaseAddress;

/// How long it takes until all is well again.
public sealed interface Recovery {
  /// The installation that recovers.
  String what();

  /// Waits for it, for a minute at most.
  void await();

  /// How long it took.
  ///
  /// @param database the superuser's address
  /// @return how long it took, or empty if there was nothing to recover, or it has not
  Optional<Duration> duration(DatabaseAddress database) throws SQLException;

  /// Of a dead worker: from its end until the last of its claimed requests was claimed by another
  /// one, by the database's clock, which is this machine's.
  record Takeover(String worker, Instant dead) implements Recovery {
    @Override
    public String what() {
      return "takeover";
    }

    @Override
    public void await() {
      // its claimed requests have results in the end, or are told as lost
    }

    @Override
    public Optional<Duration> duration(DatabaseAddress database) throws SQLException {
      try (var connection = database.connect("faults");
          var statement =
              connection.prepareStatement(
                  """
                  select max(next.claimed_at)
                  from pgoffload.claim dead
                  join pgoffload.claim next on next.id = dead.id and next.attempt = dead.attempt + 1
                  where dead.worker = ? and next.worker <> dead.worker and next.claimed_at > ?\
                  """)) {
        statement.setString(1, worker);
        statement.setTimestamp(2, Timestamp.from(dead));
        try (var row = statement.executeQuery()) {
          row.next();
          return Optional.ofNullable(row.getTimestamp(1))
              .map(last -> Duration.between(dead, last.toInstant()));
        }
      }
    }
  }

  /// Of anything else: from a moment until the first request that was asked after it has its
  /// result.
  record Answer(String what, CompletableFuture<Duration> answered) implements Recovery {
    /// A request may have to wait behind a load of thousands.
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    /// Begins to ask now.
    ///
    /// @param database asked before each try: the server that takes writes changes
    public static Answer measure(String what, Supplier<DatabaseAddress> database, Journal journal) {
      var answered = new CompletableFuture<Duration>();
      long begun = System.nanoTime();
      Thread.ofVirtual()
          .name("probe")
          .start(() -> {
            while (System.nanoTime() - begun < PATIENCE.toNanos()) {
              try {
                if (ask(database.get(), journal)) {
                  answered.complete(Duration.ofNanos(System.nanoTime() - begun));
                  return;
                }
              } catch (SQLException e) {
                Await.pause(Duration.ofMillis(20)); // the server is not there yet, or again
              }
            }
            answered.cancel(false);
          });
      return new Answer(what, answered);
    }

    private static boolean ask(DatabaseAddress database, Journal journal) throws SQLException {
      try (var connection = database.connect("faults probe")) {
        var tag = journal.next();
        journal.write(tag, Asked.Kind.LLM_INSERTED, Asked.Fate.UNCERTAIN);
        long id =
            Sql.number(
                connection,
                "insert into llm_request (prompt) values ('"
                    + TakeStep.prompt(tag)
                    + "') returning id");
        journal.write(tag, Asked.Kind.LLM_INSERTED, Asked.Fate.ACCEPTED);
        return Await.comes(
            () -> {
              try {
                return Sql.number(
                        connection, "select count(*) from pgoffload.llm_result where id = " + id)
                    > 0;
              } catch (SQLException e) {
                throw new FaultsException("the probe's connection broke", e);
              }
            },
            PATIENCE);
      } catch (FaultsException e) {
        return false;
      }
    }

    @Override
    public void await() {
      try {
        answered.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      } catch (TimeoutException | ExecutionException | CancellationException e) {
        // the report says that there was no recovery
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new FaultsException("interrupted while something recovered", e);
      }
    }

    @Override
    public Optional<Duration> duration(DatabaseAddress database) {
      await();
      return answered.isDone() && !answered.isCompletedExceptionally()
          ? Optional.of(answered.join())
          : Optional.empty();
    }
  }
}
