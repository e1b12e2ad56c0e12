package org.pgoffload.console.deadletters;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.ListedLetter;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.operations.deadletters.SettleLetters;
import org.pgoffload.protocol.Text;

/// The page of a letter.
///
/// @param headers of its record, fit to be seen
/// @param content its bytes as text; null where they are hidden until they are asked for
/// @param settled what was done with it, in the order in which it was done
/// @param obstacle why it cannot be sent again, or null if the database decides
/// @param offersForce whether it may be sent again although it needs nothing
public record ShownLetter(
    ListedLetter letter,
    List<Header> headers,
    @Nullable Content content,
    List<Settled> settled,
    SettleLetters.@Nullable Obstacle obstacle,
    boolean offersForce) {
  private static final int MOST_BYTES = 64 << 10;
  private static final int MOST_HEADERS = 50;
  private static final int LONGEST_HEADER = 1_000;

  /// A header of its record.
  public record Header(String name, String value) {}

  /// Its content.
  ///
  /// @param isCut whether it is only the beginning
  public record Content(String text, boolean isCut) {}

  /// What was done with it.
  ///
  /// @param as the request that it was sent again as; null: it was discarded
  /// @param by the role; null where the log of actions has forgotten it
  public record Settled(@Nullable Long as, Instant at, @Nullable String by) {}

  static ShownLetter of(
      DeadLetter letter, boolean showsContent, List<Settled> settled, boolean offersForce) {
    return new ShownLetter(
        ListedLetter.of(letter),
        headers(letter),
        showsContent ? content(letter) : null,
        settled,
        SettleLetters.obstacle(letter).orElse(null),
        offersForce);
  }

  private static List<Header> headers(DeadLetter letter) {
    var headers = new ArrayList<Header>();
    for (var header : letter.record().headers()) {
      if (headers.size() == MOST_HEADERS) {
        headers.add(new Header("…", "more are not shown"));
        break;
      }
      headers.add(
          new Header(
              line(header.key()),
              header.value() == null
                  ? "null"
                  : line(new String(header.value(), StandardCharsets.UTF_8))));
    }
    return headers;
  }

  private static String line(String text) {
    return Text.shortened(Printable.line(Text.shortened(text, LONGEST_HEADER)), LONGEST_HEADER);
  }

  private static Content content(DeadLetter letter) {
    var bytes = Optional.ofNullable(letter.record().value()).orElseGet(() -> new byte[0]);
    return new Content(Printable.lines(bytes, MOST_BYTES), bytes.length > MOST_BYTES);
  }

  /// The address of the page.
  public String path() {
    return DeadLetters.path(letter);
  }
}
