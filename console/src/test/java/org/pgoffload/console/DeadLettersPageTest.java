package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.pgoffload.operations.deadletters.LetterTopic;

/// The dead letters, on a real broker.
@Timeout(120)
final class DeadLettersPageTest extends WithConsole {
  private static final Pattern CAME_AT = Pattern.compile("name=\"came_at\" value=\"([^\"]+)\"");

  @RegisterExtension final TestLetters letters = new TestLetters(() -> database);
  private @Nullable LetterTopic other;
  private boolean hasOther;

  @Override
  @Nullable LetterTopic deadLetters() {
    return hasOther ? other : letters.address();
  }

  private ConsoleApp consoleOf(@Nullable LetterTopic topic) {
    hasOther = true;
    other = topic;
    try {
      return console(database.address(), false, false);
    } finally {
      hasOther = false;
    }
  }

  /// The fields of the form of the one letter on a page.
  private static Map<String, String> form(String page) {
    var found = CAME_AT.matcher(page);
    assertThat(found.find()).isTrue();
    return Map.of("came_at", found.group(1));
  }

  @Test
  void replaysALetterOnceUnlessTheReaderIsTold() {
    var request = letters.sendRequest();
    var reader = signedIn("lead");
    var list = reader.get("/dead-letters").body();
    assertThat(list).contains("too_old", ">1@0</a>", ">" + request.id() + "</td>");
    var replied = reader.postAndFollow("/dead-letters/1/0/replay", form(list)).body();
    var again = database.onlySent();
    assertThat(again.envelope().requestedBy().user()).isEqualTo("app");
    assertThat(replied)
        .contains("is sent again as request " + again.id() + ".", "No dead letters.")
        .doesNotContain(">1@0</a>");
    assertThat(reader.get("/dead-letters/1/0").body())
        .contains("Sent again as request " + again.id(), "<bdi>lead</bdi>");

    var told = reader.postAndFollow("/dead-letters/1/0/replay", form(list)).body();
    assertThat(told)
        .contains("It is not sent again: ", "as request " + again.id())
        .contains("Send it again all the same", "name=\"force\"");
    assertThat(database.sent()).isEmpty();
    var fields = new java.util.HashMap<>(form(list));
    fields.put("force", "yes");
    assertThat(reader.postAndFollow("/dead-letters/1/0/replay", fields).body())
        .contains("is sent again as request ");
    assertThat(database.sent()).hasSize(1);
    assertThat(
            database
                .admin()
                .rows(
                    "select what, ids, names, role_name, application, detail ->> 'reason'"
                        + " from pgoffload.action order by number"))
        .hasSize(2)
        .first()
        .isEqualTo(
            "replay_letter|{"
                + request.id()
                + "}|{"
                + letters.address().name()
                + "-1@0}|lead|pgoffload console|too_old");
  }

  @Test
  void discardsALetterAndShowsItByItsAddressAlone() {
    letters.send("malformed", TestLetters.bytes("nonsense"), "no signature");
    var reader = signedIn("lead");
    var list = reader.get("/dead-letters").body();
    assertThat(list).contains("malformed", "no signature");
    assertThat(reader.postAndFollow("/dead-letters/0/0/discard", form(list)).body())
        .contains("is discarded.", "No dead letters.", "1 were replayed or discarded");
    assertThat(reader.get("/dead-letters/0/0").body())
        .contains("Discarded", "It cannot be sent again: it is no signed request.", "nonsense");
    assertThat(reader.post("/dead-letters/0/0/replay", form(list)).statusCode()).isEqualTo(422);
    assertThat(database.admin().rows("select what, ids, role_name, names from pgoffload.action"))
        .containsExactly("discard_letter|null|lead|{" + letters.address().name() + "-0@0}");
  }

  @Test
  void showsWhatAnybodyMayHaveWrittenAsText() {
    letters.send(
        "malformed",
        TestLetters.bytes("<script>alert(1)</script> \u202eevil\u0007"),
        "<b>bold\u202e</b>");
    letters.send("malformed", new byte[] {(byte) 0xff, (byte) 0xfe, 0}, "bytes");
    letters.send("malformed", TestLetters.bytes("x".repeat(70_000)), "long");
    var reader = signedIn("lead");
    assertThat(reader.get("/dead-letters").body())
        .contains("&lt;b&gt;bold\\u202e&lt;/b&gt;")
        .doesNotContain("<b>bold", "\u202e");
    assertThat(reader.get("/dead-letters/0/0").body())
        .contains("&lt;script&gt;alert(1)&lt;/script&gt; \\u202eevil\\u0007")
        .doesNotContain("<script>alert", "\u202e", "\u0007");
    assertThat(reader.get("/dead-letters/0/1").body()).contains("ff fe 00");
    assertThat(reader.get("/dead-letters/0/2").body())
        .contains("x".repeat(65_536) + "</pre>", "Only its beginning is shown, of 70000 bytes.");
    assertThat(reader.get("/dead-letters/0/3").statusCode()).isEqualTo(404);
    assertThat(reader.get("/dead-letters/9/0").statusCode()).isEqualTo(404);
  }

  @Test
  void hidesContentUntilItIsAskedForWhereTheInstallationSaysSo() {
    letters.send("malformed", TestLetters.bytes("a secret prompt"), "no signature");
    var hiding =
        closedAfterTheTest(Reader.signedIn(console(database.address(), false, true), "lead"));
    assertThat(hiding.get("/dead-letters/0/0").body())
        .contains("Show the content")
        .doesNotContain("a secret prompt");
    assertThat(hiding.get("/dead-letters/0/0?texts=shown").body()).contains("a secret prompt");
  }

  @Test
  void pagesFromTheEnd() {
    for (int i = 0; i < 120; i++) {
      letters.send("malformed", TestLetters.bytes("x"), "letter " + i + ".");
    }
    var reader = signedIn("lead");
    var first = reader.get("/dead-letters").body();
    assertThat(first).contains("letter 119.", "letter 70.").doesNotContain("letter 69.");
    var second = reader.get("/dead-letters?below=0:70,1:0").body();
    assertThat(first).contains("/dead-letters?below=0:70,1:0");
    assertThat(second)
        .contains("letter 69.", "letter 20.")
        .doesNotContain("letter 19.", "letter 70.");
    assertThat(reader.get("/dead-letters?below=x").statusCode()).isEqualTo(400);
  }

  @Test
  void isForOperatorsAlone() {
    letters.send("malformed", TestLetters.bytes("x"), "no signature");
    var app = signedIn("app");
    assertThat(app.get("/overview").body()).doesNotContain("/dead-letters");
    for (var path : new String[] {"/dead-letters", "/dead-letters/0/0"}) {
      assertThat(app.get(path).statusCode()).isEqualTo(403);
    }
    for (var action : new String[] {"replay", "discard"}) {
      assertThat(app.post("/dead-letters/0/0/" + action, Map.of()).statusCode()).isEqualTo(403);
    }
    // the database is asked each time
    var lead = signedIn("lead");
    assertThat(lead.get("/dead-letters").statusCode()).isEqualTo(200);
    database.admin().run("revoke pgoffload_operator from lead");
    assertThat(lead.get("/dead-letters").statusCode()).isEqualTo(403);
    assertThat(lead.post("/dead-letters/0/0/discard", Map.of()).statusCode()).isEqualTo(403);
  }

  @Test
  void doesNothingToAnotherLetterAtTheSamePlace() {
    letters.send("malformed", TestLetters.bytes("x"), "no signature");
    var reader = signedIn("lead");
    assertThat(
            reader
                .post("/dead-letters/0/0/discard", Map.of("came_at", "2026-01-01T00:00:00Z"))
                .statusCode())
        .isEqualTo(409);
    assertThat(database.admin().number("select count(*) from pgoffload.action")).isZero();
  }

  @Test
  void saysSoWithinSecondsWhereKafkaIsAwayOrUnknown() {
    var away =
        closedAfterTheTest(
            Reader.signedIn(
                consoleOf(new LetterTopic(Map.of("bootstrap.servers", "127.0.0.1:1"), "x")),
                "lead"));
    long began = System.nanoTime();
    var reply = away.get("/dead-letters");
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(20));
    assertThat(reply.statusCode()).isEqualTo(503);
    assertThat(reply.body()).contains("Kafka does not answer", "The rest of the console works.");
    assertThat(away.get("/requests").statusCode()).isEqualTo(200);

    var unknown = closedAfterTheTest(Reader.signedIn(consoleOf(null), "lead"));
    assertThat(unknown.get("/dead-letters").body()).contains("KAFKA_BOOTSTRAP_SERVERS");
  }
}
