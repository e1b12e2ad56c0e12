package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class EnvelopeTest {
  @Test
  void readsEveryField() {
    assertThat(Envelope.read(bytes(Samples.ASK)))
        .isEqualTo(
            new Envelope(
                new RequestKey(42, UUID.fromString("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")),
                "ask",
                "customer-7",
                false,
                "5f4dcc3b-0000-4000-8000-000000000001",
                new Envelope.Times(
                    Instant.parse("2026-01-02T03:04:05.678901Z"),
                    Instant.parse("2026-01-02T03:04:05.678901Z"),
                    Duration.ofSeconds(30)),
                new Identity("app", 16_400, "login", 16_399, "none"),
                JsonNodeFactory.instance
                    .objectNode()
                    .put("prompt", "Why is the sky blue?")
                    .put("model", "a-model")));
  }

  @Test
  void hasNoOrderingKeyWhereItIsNull() {
    var envelope = Envelope.read(bytes(Samples.ASK.replace("\"customer-7\"", "null")));
    assertThat(envelope.orderingKey()).isNull();
  }

  @Test
  void ignoresFieldsOfANewerMinorVersion() {
    var envelope =
        Envelope.read(bytes(Samples.ASK.replace("{\"version\"", "{\"new\":1,\"version\"")));
    assertThat(envelope).isEqualTo(Envelope.read(bytes(Samples.ASK)));
  }

  @Test
  void isWantedUntilItsTimeoutHasPassed() {
    assertThat(Envelope.read(bytes(Samples.ASK)).deadline())
        .contains(Instant.parse("2026-01-02T03:04:35.678901Z"));
  }

  @Test
  void whatWasSignedAgainIsWantedFromWhenItWasAsked() {
    var envelope =
        Envelope.read(
            bytes(
                Samples.ASK.replace(
                    "\"timeout_ms\"", "\"created_at_us\":1767323040000000,\"timeout_ms\"")));
    assertThat(envelope.signedAt()).isEqualTo(Instant.parse("2026-01-02T03:04:05.678901Z"));
    assertThat(envelope.createdAt()).isEqualTo(Instant.parse("2026-01-02T03:04:00Z"));
    assertThat(envelope.deadline()).contains(Instant.parse("2026-01-02T03:04:30Z"));
  }

  @Test
  void isWantedForEverWithoutATimeout() {
    var envelope = Envelope.read(bytes(Samples.SQL));
    assertThat(envelope.timeout()).isNull();
    assertThat(envelope.deadline()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"ask", "embed", "rerank"})
  void refusesAnLlmRequestWithoutATimeout(String kind) {
    var json = Samples.ASK.replace("30000", "null").replace("\"ask\"", "\"" + kind + "\"");
    assertThatThrownBy(() -> Envelope.read(bytes(json)))
        .isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void refusesAnotherMajorVersionByThatReason() {
    assertThatThrownBy(
            () -> Envelope.read(bytes(Samples.ASK.replace("\"version\":1", "\"version\":2"))))
        .isInstanceOfSatisfying(
            MalformedMessageException.class,
            e -> assertThat(e.reason()).isEqualTo(DeadLetterReason.UNKNOWN_VERSION))
        .hasMessageContaining("version 2 is not 1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "version",
        "id",
        "kind",
        "immediate",
        "installation",
        "nonce",
        "signed_at_us",
        "timeout_ms",
        "requested_by",
        "user",
        "user_oid",
        "session_user",
        "session_user_oid",
        "role",
        "payload"
      })
  void namesTheFieldThatIsMissing(String field) {
    assertThatThrownBy(
            () -> Envelope.read(bytes(Samples.ASK.replace("\"" + field + "\":", "\"other\":"))))
        .isInstanceOfSatisfying(
            MalformedMessageException.class,
            e -> assertThat(e.reason()).isEqualTo(DeadLetterReason.MALFORMED))
        .hasMessageContaining("'" + field + "'");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "   ", "garbage", "[]", "17", "null", "\"text\"", "{\"version\":1"})
  void refusesWhatIsNoEnvelope(String text) {
    assertThatThrownBy(() -> Envelope.read(bytes(text)))
        .isInstanceOfSatisfying(
            MalformedMessageException.class,
            e -> assertThat(e.reason()).isEqualTo(DeadLetterReason.MALFORMED));
  }

  @Test
  void refusesAnIdentityWithoutANameAsMalformed() {
    assertThatThrownBy(
            () -> Envelope.read(bytes(Samples.ASK.replace("\"user\":\"app\"", "\"user\":\"\""))))
        .isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void refusesInvalidUtf8AsMalformed() {
    var bytes = bytes(Samples.ASK);
    bytes[new String(bytes, UTF_8).indexOf("sky")] = (byte) 0xFF;
    assertThatThrownBy(() -> Envelope.read(bytes)).isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void readsWhateverTheDatabaseAcceptsHoweverLongOrDeep() {
    var number = "1".repeat(130_000);
    var name = "n".repeat(60_000);
    var deep = "[".repeat(3_000) + "]".repeat(3_000);
    var prompt = "x".repeat(21 << 20);
    var json =
        Samples.ASK
            .replace("Why is the sky blue?", prompt)
            .replace(
                "\"model\":\"a-model\"",
                "\"tags\":{\"a\":%s,\"%s\":1,\"b\":%s}".formatted(number, name, deep));
    var payload = Envelope.read(bytes(json)).payload();
    assertThat(payload.get("prompt").textValue()).hasSize(prompt.length());
    assertThat(payload.get("tags").get(name).intValue()).isEqualTo(1);
    assertThat(payload.get("tags").get("a").isBigInteger()).isTrue();
  }

  @Test
  void showsNoContent() {
    assertThat(Envelope.read(bytes(Samples.ASK))).hasToString("Envelope[id=42, kind=ask]");
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }
}
