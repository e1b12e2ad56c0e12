package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.LlmPiece;
import org.postgresql.PGConnection;

/// Whoever reads until the request has ended, and then once more, has the whole answer.
final class LlmStreamTest extends OnPostgresVersions {
  private static final long FIRST = LlmPiece.seqBefore(1);
  private static final long SECOND = LlmPiece.seqBefore(2);

  private Session app;
  private long id;

  @BeforeEach
  void ask() {
    app = closedAfterTheTest(database.open("app"));
    id = app.number("select llm_submit('p', options => '{\"stream\": true}')");
  }

  @Test
  void givesThePiecesThatAreNew() {
    assertThat(read(0)).isEmpty();
    wrote(FIRST + 1, "He");
    wrote(FIRST + 2, "llo");
    assertThat(read(0)).containsExactly("1000000001|He|f", "1000000002|llo|f");
    assertThat(app.rows("select seq from llm_stream(?)", id)).hasSize(2);
    assertThat(read(FIRST + 2)).isEmpty();
    wrote(FIRST + 7, ", you");
    assertThat(read(FIRST + 2)).containsExactly("1000000007|, you|f");
    database.record(database.streamed(id, "app", "Hello, you", FIRST + 7));
    assertThat(read(FIRST + 2)).containsExactly("1000000007|, you|f");
    assertThat(read(FIRST + 7)).isEmpty();
    assertThat(joined(0)).isEqualTo("Hello, you");
  }

  @Test
  void keepsTheFirstPieceOfANumber() {
    wrote(FIRST + 1, "a");
    wrote(FIRST + 1, "b");
    assertThat(read(0)).containsExactly("1000000001|a|f");
  }

  @Test
  void givesTheRestOfAnAnswerWhosePiecesAreNotAllIn() {
    wrote(FIRST + 1, "Grü");
    wrote(FIRST + 2, "ße ");
    database.record(database.streamed(id, "app", "Grüße aus Köln", FIRST + 9));
    assertThat(read(FIRST + 1)).containsExactly("1000000002|ße |f", "1000000009|aus Köln|f");
    assertThat(read(FIRST + 2)).containsExactly("1000000009|aus Köln|f");
    assertThat(read(FIRST + 9)).isEmpty();
    // pieces that come after it are no news
    wrote(FIRST + 5, "aus ");
    wrote(FIRST + 9, "Köln");
    assertThat(read(FIRST + 9)).isEmpty();
    assertThat(joined(0)).isEqualTo("Grüße aus Köln");
  }

  @Test
  void showsThatACallWasCutAndMadeAgain() {
    wrote(FIRST + 1, "Hel");
    wrote(FIRST + 2, "Good", true);
    wrote(FIRST + 3, "bye");
    assertThat(read(0))
        .containsExactly("1000000001|Hel|f", "1000000002|Good|t", "1000000003|bye|f");
    database.record(database.streamed(id, "app", "Goodbye!", FIRST + 4));
    assertThat(read(FIRST + 3)).containsExactly("1000000004|!|f");
    assertThat(joined(0)).isEqualTo("Goodbye!");
  }

  @Test
  void goesOnWithAnotherWorkersPieces() {
    wrote(FIRST + 1, "He");
    wrote(SECOND + 1, "Good", true);
    // what the one that was thought dead still writes
    wrote(FIRST + 2, "llo");
    assertThat(read(SECOND + 1)).isEmpty();
    database.record(database.streamed(id, "app", "Goodbye", SECOND + 2));
    assertThat(read(SECOND + 1)).containsExactly("2000000002|bye|f");
    assertThat(joined(0)).isEqualTo("Goodbye");
    assertThat(joined(FIRST + 1)).isEqualTo("Goodbye");
  }

  @Test
  void beginsAnewForWhoHasReadAWorkerThatCameTooLate() {
    wrote(FIRST + 1, "He");
    wrote(SECOND + 1, "Good", true);
    database.record(database.streamed(id, "app", "Hello", FIRST + 2));
    assertThat(read(SECOND + 1)).containsExactly("1000000002|Hello|t");
    assertThat(read(FIRST + 1)).containsExactly("1000000002|llo|f");
    assertThat(read(FIRST + 2)).isEmpty();
    assertThat(joined(0)).isEqualTo("Hello");
  }

  @Test
  void beginsAnewWhereThePiecesAreNotHowTheAnswerBegins() {
    wrote(FIRST + 1, "He");
    // the second one was lost
    wrote(FIRST + 3, "o");
    database.record(database.streamed(id, "app", "Hello", FIRST + 3));
    assertThat(read(FIRST + 1)).containsExactly("1000000003|Hello|t");
    assertThat(joined(0)).isEqualTo("Hello");
  }

  @Test
  void givesWhatWasNotStreamedAsOnePiece() {
    database.record(database.cached(id, "app", "Hello", 1));
    assertThat(read(0)).containsExactly("2000000000|Hello|f");
    assertThat(read(SECOND)).isEmpty();
    var plain = database.inserted("app");
    database.record(database.answered(plain, "app", "a"));
    assertThat(app.rows("select * from llm_stream(?)", plain)).containsExactly("2000000000|a|f");
  }

  @Test
  void leavesWhatAFailedRequestHasWritten() {
    wrote(FIRST + 1, "He");
    database.record(database.ended(id, "app", "failed", "c", "m"));
    assertThat(read(0)).containsExactly("1000000001|He|f");
    assertThat(read(FIRST + 1)).isEmpty();
    assertThat(app.rows("select * from llm_stream(?, null)", id)).hasSize(1);
  }

  @Test
  void notifiesOncePerRequest() throws SQLException {
    app.run("listen llm_stream");
    var other = database.inserted("app");
    database.record(
        List.of(piece(id, FIRST + 1, "a"), piece(other, FIRST + 1, "b"), piece(id, FIRST + 2, "c")),
        List.of());
    database.record(List.of(piece(id, FIRST + 2, "again")), List.of());
    database.admin().run("notify llm_stream, 'end'");
    var received = new ArrayList<String>();
    Awaitility.await()
        .until(() -> {
          var got = app.connection().unwrap(PGConnection.class).getNotifications(100);
          if (got != null) {
            Arrays.stream(got).forEach(notification -> received.add(notification.getParameter()));
          }
          return received.contains("end");
        });
    assertThat(received).containsExactly(String.valueOf(id), String.valueOf(other), "end");
  }

  @Test
  void showsPiecesToTheirRoleAlone() {
    wrote(FIRST + 1, "He");
    try (var mallory = database.open("mallory");
        var lead = database.open("lead")) {
      assertThat(mallory.rows("select * from pgoffload.llm_piece")).isEmpty();
      assertThat(lead.rows("select text from llm_stream(?)", id)).containsExactly("He");
    }
  }

  private void wrote(long seq, String text) {
    wrote(seq, text, false);
  }

  private void wrote(long seq, String text, boolean reset) {
    database.record(
        List.of(
            new LlmPiece(
                LlmPiece.VERSION,
                id,
                database.oid("app"),
                (int) (seq / FIRST),
                seq,
                reset,
                text,
                null)),
        List.of());
  }

  private LlmPiece piece(long of, long seq, String text) {
    return new LlmPiece(LlmPiece.VERSION, of, database.oid("app"), 1, seq, false, text, null);
  }

  private List<String> read(long afterSeq) {
    return app.rows("select * from llm_stream(?, ?)", id, afterSeq);
  }

  /// The text of who has read up to there, and nothing before.
  private String joined(long afterSeq) {
    var text = new StringBuilder();
    for (var row : app.rows("select reset, text from llm_stream(?, ?)", id, afterSeq)) {
      if (row.startsWith("t|")) {
        text.setLength(0);
      }
      text.append(row.substring(2));
    }
    return text.toString();
  }
}
