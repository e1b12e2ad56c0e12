package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Optional;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.telemetry.LogRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Decides what becomes of a message that the database does not take: the result of an LLM request
/// is replaced by a failed one, any other message is left out. Each is logged as an error.
final class RefusedMessage {
  private static final Logger LOG = LoggerFactory.getLogger(RefusedMessage.class);

  private static final Instant NO_TIME_OF_A_WORKER = Instant.parse("9999-01-01T00:00:00Z");

  private RefusedMessage() {}

  /// Logs the refusal, and makes the replacement if there is one.
  ///
  /// @param fault the refusal, without values
  /// @return the message to write in its place
  static Optional<WaitingMessage> replacement(WaitingMessage refused, String fault) {
    return switch (refused) {
      case WaitingMessage.LlmResult message -> {
        try (var _ = LogRequest.of(message.id())) {
          LOG.error(
              "The result of request {} cannot be stored ({}); the request ends as failed",
              message.id(),
              fault);
        }
        var failed = failed(Result.read(message.record().value()), fault);
        yield Optional.of(
            new WaitingMessage.ReplacedResult(
                new String(failed.write(), StandardCharsets.UTF_8), message.record()));
      }
      case WaitingMessage.ReplacedResult message ->
          leftOut(Result.read(message.record().value()), fault, "the results topic has it");
      case WaitingMessage.Piece message ->
          leftOut(LlmPiece.read(message.record().value()), fault, "the answer has it");
      case WaitingMessage.Usage message ->
          leftOut(
              "the usage of " + LlmUsage.read(message.record().value()).recordKey(),
              fault,
              "the usage topic has it");
      case WaitingMessage.SqlChunk message ->
          leftOut(SqlRows.read(message.record().value()), fault, "the results topic has it");
      case WaitingMessage.SqlEnded message -> {
        try (var _ = LogRequest.of(message.id())) {
          LOG.error(
              "The end of SQL request {} cannot be told to those who listen or hold an old snapshot"
                  + " ({}); its result is recorded",
              message.id(),
              fault);
        }
        yield Optional.empty();
      }
    };
  }

  /// @param message named by its text, without content
  private static Optional<WaitingMessage> leftOut(Object message, String fault, String elsewhere) {
    LOG.error(
        "{} has no place in the database ({}) and is left out; {}", message, fault, elsewhere);
    return Optional.empty();
  }

  /// A failed result without any text from outside, since such a text is why the database refused
  /// the result.
  private static Result failed(Result refused, String fault) {
    return Result.withoutCalls(
        new ResultHead(
            Result.VERSION,
            refused.id(),
            refused.kind(),
            Result.FAILED,
            refused.requestedBy(),
            refused.requestedByOid(),
            refused.head().nonce()),
        Result.Outcome.error(
            "result_not_storable",
            "the database refused the result with " + fault + "; the results topic has it"),
        Result.Run.of(refused.attempts(), finishedAt(refused)));
  }

  /// The worker's time, or this clock's if the worker's may be why the database refused the result:
  /// it knows fewer offsets and years than ISO-8601.
  private static String finishedAt(Result refused) {
    try {
      var time = OffsetDateTime.parse(refused.finishedAt()).toInstant();
      if (time.isAfter(Instant.EPOCH) && time.isBefore(NO_TIME_OF_A_WORKER)) {
        return time.toString();
      }
    } catch (DateTimeException e) {
      LOG.debug("The time of a refused result is no time", e);
    }
    return Clock.systemUTC().instant().toString();
  }
}
