package org.pgoffload.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class MaintainedRequestTest {
  @Test
  void readsHowARequestEndsWithoutACall() {
    var payload = payload(Samples.MAINTAINED);
    assertThat(MaintainedRow.of(payload)).contains(new MaintainedRow("ticket_mood", List.of("1")));
    assertThat(MaintainedRequest.end(payload))
        .contains(new MaintainedRequest.End(MaintainedRequest.End.BLANK, "nothing is there"));
    assertThat(MaintainedRequest.chunking(payload)).isEmpty();
  }

  @Test
  void readsHowATextIsSplit() {
    var payload = payload(Samples.CHUNK);
    assertThat(MaintainedRow.of(payload))
        .contains(new MaintainedRow("doc_chunks", List.of("7", "de")));
    assertThat(MaintainedRequest.chunking(payload))
        .contains(new MaintainedRequest.Chunking(400, 40));
    assertThat(MaintainedRequest.chunking(payload(Samples.CHUNK.replace(",\"overlap\":40", ""))))
        .contains(new MaintainedRequest.Chunking(400, 0));
    assertThat(MaintainedRequest.end(payload)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {Samples.ASK, Samples.EMBED, Samples.CANCEL})
  void isNothingInAnyOtherRequest(String request) {
    assertThat(MaintainedRow.of(payload(request))).isEmpty();
    assertThat(MaintainedRequest.end(payload(request))).isEmpty();
    assertThat(MaintainedRequest.chunking(payload(request))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[]",
        "{\"maintained\":7}",
        "{\"maintained\":{}}",
        "{\"maintained\":{\"name\":\"n\",\"key\":[1]}}",
        "{\"maintained\":{\"name\":\"\",\"key\":[\"1\"]}}",
        "{\"maintained\":{\"name\":7,\"key\":[\"1\"]}}",
        "{\"maintained\":{\"name\":\"n\",\"key\":[]}}"
      })
  void knowsNoRowWhereThePayloadDoesNotSayOne(String payload) {
    assertThat(MaintainedRow.of(json(payload))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"tokens\":0,\"overlap\":0",
        "\"tokens\":40,\"overlap\":40",
        "\"tokens\":40,\"overlap\":-1",
        "\"tokens\":\"40\"",
        "\"tokens\":4.5",
        "\"tokens\":5000000000",
        "\"tokens\":40,\"overlap\":null",
        "\"overlap\":4"
      })
  void refusesToSplitInAWayThatCannotBe(String chunk) {
    var payload = payload(Samples.CHUNK.replace("\"tokens\":400,\"overlap\":40", chunk));
    assertThatThrownBy(() -> MaintainedRequest.chunking(payload))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void isNeverAnsweredWhereItIsNotSaidHowItEnds() {
    var payload = payload(Samples.MAINTAINED.replace("\"code\":\"blank\",", ""));
    assertThat(MaintainedRequest.end(payload))
        .get()
        .extracting(MaintainedRequest.End::code)
        .isEqualTo("invalid_request");
  }

  private static JsonNode payload(String request) {
    return Envelope.read(request.getBytes(StandardCharsets.UTF_8)).payload();
  }

  private static JsonNode json(String text) {
    try {
      return new ObjectMapper().readTree(text);
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }
}
