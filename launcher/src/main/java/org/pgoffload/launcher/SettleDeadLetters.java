package org.pgoffload.launcher;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.operations.deadletters.SettleLetters;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.schema.InstallException;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// A command that settles dead letters: those at some positions, or all.
abstract class SettleDeadLetters extends ConfiguredCommand {
  @Parameters(
      paramLabel = "POSITION",
      arity = "0..*",
      description = "As list names them: topic-partition@offset.")
  private List<String> positions = List.of();

  @Option(names = "--all", description = "All that are there, each request once.")
  private boolean all;

  @Option(
      names = "--reason",
      paramLabel = "REASON",
      description = "With --all: only those of this reason.")
  private @Nullable String reason;

  private int refused;

  /// Settles one letter.
  abstract void settle(SettleLetters settle, DeadLetter letter) throws SQLException;

  /// What it does not do to a letter that it refuses, in a word.
  abstract String done();

  final boolean isOfAll() {
    return all;
  }

  @Override
  public final Integer call() {
    check();
    try (var letters = DeadLettersCommand.open(settings());
        var connection = primary().connectAsPart("pgoffload dead-letters")) {
      if (all) {
        letters.all(
            null,
            letter -> {
              if (reason == null || reason.equals(letter.reason())) {
                settle(connection, letter);
              }
            });
      } else {
        // every one is looked for before the first is settled
        positions.stream()
            .map(position ->
                letters
                    .at(letters.position(position))
                    .orElseThrow(() ->
                        new IllegalArgumentException("there is no dead letter at " + position)))
            .toList()
            .forEach(letter -> settle(connection, letter));
      }
    } catch (IllegalArgumentException e) {
      throw usageError(e);
    } catch (SQLException e) {
      throw new InstallException("the database cannot be asked: " + e.getMessage(), e);
    }
    return refused == 0 ? 0 : 1;
  }

  private void check() {
    if (all == !positions.isEmpty()) {
      throw usageError("Say which: positions as list names them, or --all.");
    }
    if (reason != null && !all) {
      throw usageError("--reason goes with --all.");
    }
    if (reason != null
        && Arrays.stream(DeadLetterReason.values())
            .noneMatch(known -> known.code().equals(reason))) {
      throw usageError(
          "--reason must be one of "
              + Arrays.stream(DeadLetterReason.values())
                  .map(DeadLetterReason::code)
                  .collect(Collectors.joining(", ")));
    }
  }

  private void settle(Connection connection, DeadLetter letter) {
    try {
      settle(
          new SettleLetters((sql, parameters) ->
              Query.<@Nullable Long>row(
                  connection, sql, row -> row.getObject(1, Long.class), parameters)),
          letter);
    } catch (SQLException e) {
      if (DatabaseFault.is(e, DatabaseFault.UNDEFINED_FUNCTION)
          || DatabaseFault.isConnectionLost(e)) {
        throw new InstallException(
            words(e) + (DatabaseFault.isConnectionLost(e) ? "" : "; run pgoffload install first"),
            e);
      }
      refuse(letter, words(e), Printable.line(DatabaseFault.hint(e)));
    }
  }

  final void say(DeadLetter letter, String words) {
    out().println(letter.position() + ": " + words);
    out().flush();
  }

  final void refuse(DeadLetter letter, String why, String hint) {
    refused++;
    err()
        .println(
            letter.position()
                + ": not "
                + done()
                + ": "
                + why
                + (hint.isEmpty() ? "" : ". " + hint));
    err().flush();
  }

  static String words(SQLException e) {
    return Printable.line(DatabaseFault.words(e));
  }
}
