package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class RoutingTest {
  @Test
  void readsTheFieldsAtTheFront() {
    assertThat(Routing.read(Samples.ASK.getBytes(UTF_8)))
        .isEqualTo(new Routing(42, "ask", null, null, "customer-7"));
  }

  @Test
  void readsNoFurtherThanItMust() {
    var cutInThePayload = Samples.ASK.substring(0, Samples.ASK.indexOf("prompt"));
    assertThat(Routing.read(cutInThePayload.getBytes(UTF_8)))
        .isEqualTo(new Routing(42, "ask", null, null, "customer-7"));
  }

  @Test
  void keysByTheOrderingKey() {
    assertThat(new Routing(42, "ask", null, null, "customer-7").recordKey())
        .isEqualTo("customer-7");
  }

  @Test
  void keysByTheIdWithoutAnOrderingKey() {
    assertThat(Routing.read("{\"id\":42,\"kind\":\"ask\",\"ordering_key\":null}".getBytes(UTF_8)))
        .isEqualTo(new Routing(42, "ask", null, null, null))
        .extracting(Routing::recordKey)
        .isEqualTo("42");
  }

  @Test
  void keysByTheGroupWhereNoOrderingKeyIsGiven() {
    var json =
        "{\"version\":1,\"id\":42,\"kind\":\"sql\",\"group\":\"g\",\"ordering_key\":%s,\"payload\":{}}";
    assertThat(Routing.read(json.formatted("null").getBytes(UTF_8)))
        .isEqualTo(new Routing(42, "sql", "g", null, null))
        .extracting(Routing::recordKey)
        .isEqualTo("g");
    assertThat(Routing.read(json.formatted("\"k\"").getBytes(UTF_8)))
        .isEqualTo(new Routing(42, "sql", "g", null, "k"))
        .extracting(Routing::recordKey)
        .isEqualTo("k");
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "7", "{\"ordering_key\":\"inner\"}", "[\"inner\"]"})
  void takesNoOtherValueForAGroup(String group) {
    var json = "{\"id\":42,\"kind\":\"sql\",\"group\":" + group + ",\"ordering_key\":null}";
    assertThat(Routing.read(json.getBytes(UTF_8)))
        .isEqualTo(new Routing(42, "sql", null, null, null));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "garbage",
        "[]",
        "{}",
        "{\"id\":42,\"ordering_key\":null,\"kind\":\"ask\"}",
        "{\"id\":\"42\",\"kind\":\"ask\",\"ordering_key\":null}",
        "{\"id\":99999999999999999999,\"kind\":\"ask\",\"ordering_key\":null}",
        "{\"id\":42,\"kind\":7,\"ordering_key\":null}",
        "{\"id\":42,\"kind\":\"ask"
      })
  void refusesWhatHasNotTheseFieldsFirst(String text) {
    assertThatThrownBy(() -> Routing.read(text.getBytes(UTF_8)))
        .isInstanceOfSatisfying(
            MalformedMessageException.class,
            e -> assertThat(e.reason()).isEqualTo(DeadLetterReason.MALFORMED));
  }

  @Test
  void theTraceOfTheSessionIsRead() {
    var json =
        """
        {"version":1,"id":42,"kind":"ask","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",\
        "ordering_key":null,"payload":{}}
        """;
    assertThat(Routing.read(json.getBytes(UTF_8)).traceparent())
        .isEqualTo("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  }

  @Test
  void whatIsNoTraceIsAsIfItWereNotThere() {
    for (var none : List.of("", "00-4bf9", "x".repeat(1_000_000), "\\n")) {
      var json =
          "{\"id\":42,\"kind\":\"ask\",\"traceparent\":\"" + none + "\",\"ordering_key\":null}";
      assertThat(Routing.read(json.getBytes(UTF_8)))
          .isEqualTo(new Routing(42, "ask", null, null, null));
    }
  }

  @Test
  void aKeyThatIsLongerThanAnyThatIsSignedIsRefused() {
    for (var field : List.of("group", "ordering_key")) {
      var json =
          "{\"id\":42,\"kind\":\"ask\",\""
              + field
              + "\":\""
              + "x".repeat(5000)
              + "\",\"ordering_key\":null}";
      assertThatThrownBy(() -> Routing.read(json.getBytes(UTF_8)))
          .isInstanceOf(MalformedMessageException.class);
    }
  }
}
