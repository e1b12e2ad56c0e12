package org.pgoffload.operations.deadletters;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.SQLException;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Routing;

/// Sends letters again and discards them, in the database: it checks the letter, and notes in the
/// log of actions who does it. For members of pgoffload_operator, and the owner.
///
/// Immutable and safe to share between threads.
public final class SettleLetters {
  /// The SQLSTATE of a replay of what has succeeded, is being executed, or was sent again already.
  public static final String NEEDS_NOTHING = "55000";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Ask ask;

  /// The database.
  @FunctionalInterface
  public interface Ask {
    /// The one number that a statement returns, or null.
    @Nullable Long number(String sql, @Nullable Object... parameters) throws SQLException;
  }

  /// Why a letter cannot be sent again, whatever the database says.
  ///
  /// @param hint what to do instead
  public record Obstacle(String words, String hint) {}

  /// @param ask the database, in a session of an operator's or the owner's
  public SettleLetters(Ask ask) {
    this.ask = ask;
  }

  /// Why a letter cannot be sent again; empty if the database decides.
  public static Optional<Obstacle> obstacle(DeadLetter letter) {
    if (letter.signature() != null) {
      return Optional.empty();
    }
    return Optional.of(
        letter.reason().equals(DeadLetterReason.UNCLAIMED.code())
            ? new Obstacle(
                "it is what somebody answered, and no request",
                "If a worker wrote it, its request has no claim any more: llm_retry asks it again.")
            : new Obstacle("it is no signed request", "Nothing can be sent again of it."));
  }

  /// Sends a letter's request again.
  ///
  /// @param force also what has succeeded, is being executed, or was sent again already
  /// @return the id of the new request
  /// @throws IllegalArgumentException if there is an obstacle
  public long replay(DeadLetter letter, boolean force) throws SQLException {
    var signature = letter.signature();
    if (signature == null) {
      throw new IllegalArgumentException(letter.position() + " is no signed request");
    }
    return Objects.requireNonNull(
        ask.number(
            "select pgoffload.replay_letter(?::jsonb, ?, ?, ?, ?)",
            json(letter),
            letter.message(),
            signature.keyId(),
            HexFormat.of().parseHex(signature.mac()),
            force));
  }

  /// Discards a letter: lists leave it out from now on.
  public void discard(DeadLetter letter) throws SQLException {
    ask.number("select pgoffload.discard_letter(?::jsonb)", json(letter));
  }

  /// Whether a letter was replayed or discarded.
  public boolean isSettled(DeadLetter letter) throws SQLException {
    return count(letter, "");
  }

  /// Whether a letter was discarded.
  public boolean isDiscarded(DeadLetter letter) throws SQLException {
    return count(letter, " and l.replayed_as is null");
  }

  private boolean count(DeadLetter letter, String condition) throws SQLException {
    return !Objects.equals(
        ask.number(
            "select count(*) from pgoffload.settled_letter l"
                + " where l.position = ? and l.came_at = ?::timestamptz"
                + condition,
            letter.position(),
            letter.time().toString()),
        0L);
  }

  private static String json(DeadLetter letter) {
    var object =
        JSON.createObjectNode()
            .put("position", letter.position())
            .put("came_at", letter.time().toString())
            .put("reason", Printable.line(letter.reason()));
    letter.routing().map(Routing::id).ifPresent(id -> object.put("id", id));
    return object.toString();
  }
}
