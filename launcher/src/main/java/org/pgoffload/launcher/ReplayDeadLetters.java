package org.pgoffload.launcher;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Routing;
import org.pgoffload.schema.InstallException;
import org.postgresql.util.PSQLException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `pgoffload dead-letters replay`.
@Command(
    name = "replay",
    description = {
      "Sends requests again, each as a new one of the role that had asked, with retry_of.",
      "The database checks that it had signed them. Connects as the role that has"
          + " installed pgoffload."
    })
final class ReplayDeadLetters extends ConfiguredCommand {
  /// The request has succeeded, runs, or was sent again already.
  private static final String NEEDS_NOTHING = "55000";

  private static final String UNDEFINED_FUNCTION = "42883";

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

  @Option(
      names = "--force",
      description = "Also what has succeeded, is being executed, or was sent again already.")
  private boolean force;

  private final Set<Long> done = new HashSet<>();
  private int refused;

  @Override
  public Integer call() {
    check();
    var settings = settings();
    try (var letters = DeadLettersCommand.open(settings);
        var connection = primary().connectAsPart("pgoffload dead-letters")) {
      if (all) {
        letters.all(
            null,
            letter -> {
              if (reason == null || reason.equals(letter.reason())) {
                replay(connection, letter);
              }
            });
      } else {
        // every one is looked for before the first is sent
        positions.stream()
            .map(position ->
                letters
                    .at(letters.position(position))
                    .orElseThrow(() ->
                        new IllegalArgumentException("there is no dead letter at " + position)))
            .toList()
            .forEach(letter -> replay(connection, letter));
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

  private void replay(Connection connection, DeadLetter letter) {
    var out = out();
    var id = letter.routing().map(Routing::id);
    var signature = letter.signature();
    if (signature == null) {
      if (letter.reason().equals(DeadLetterReason.UNCLAIMED.code())) {
        refuse(
            letter,
            "it is what somebody answered, and no request",
            "If a worker wrote it, its request has no claim any more: llm_retry asks it again.");
      } else {
        refuse(letter, "it is no signed request", "Nothing can be sent again of it.");
      }
      return;
    }
    if (id.isPresent() && done.contains(id.get())) {
      out.println(letter.position() + ": another letter of request " + id.get());
      return;
    }
    try {
      long sent =
          Query.row(
              connection,
              "select pgoffload.replay_request(?, ?, ?, ?)",
              row -> row.getLong(1),
              letter.message(),
              signature.keyId(),
              HexFormat.of().parseHex(signature.mac()),
              force);
      id.ifPresent(done::add);
      out.println(
          letter.position()
              + ": request "
              + id.map(String::valueOf).orElse("?")
              + " is sent again as request "
              + sent);
      out.flush();
    } catch (SQLException e) {
      if (all && DatabaseFault.is(e, NEEDS_NOTHING)) {
        // said of what is signed by us alone: a forged letter hides no other of its id
        id.ifPresent(done::add);
        out.println(letter.position() + ": " + words(e));
      } else if (DatabaseFault.is(e, UNDEFINED_FUNCTION) || DatabaseFault.isConnectionLost(e)) {
        throw new InstallException(
            words(e) + (DatabaseFault.isConnectionLost(e) ? "" : "; run pgoffload install first"),
            e);
      } else {
        refuse(letter, words(e), hint(e));
      }
    }
  }

  private void refuse(DeadLetter letter, String why, String hint) {
    refused++;
    var err = err();
    err.println(letter.position() + ": not sent: " + why + (hint.isEmpty() ? "" : ". " + hint));
    err.flush();
  }

  private static String words(SQLException e) {
    return Printable.line(DatabaseFault.words(e));
  }

  private static String hint(SQLException e) {
    var server = e instanceof PSQLException known ? known.getServerErrorMessage() : null;
    return server == null || server.getHint() == null ? "" : Printable.line(server.getHint());
  }
}
