package org.pgoffload.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TopicNamesTest {
  private final TopicNames topics = new TopicNames("a.b_c-1");

  @Test
  void putsThePrefixBeforeEveryName() {
    assertThat(topics.all())
        .containsExactly(
            "a.b_c-1.requests.sql",
            "a.b_c-1.requests.llm",
            "a.b_c-1.deferred",
            "a.b_c-1.results",
            "a.b_c-1.pieces",
            "a.b_c-1.commands",
            "a.b_c-1.dead-letters",
            "a.b_c-1.usage",
            "a.b_c-1.control");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "a b", "ä", "a/b", "a\n"})
  void refusesAPrefixThatKafkaWouldNotTake(String prefix) {
    assertThatThrownBy(() -> new TopicNames(prefix))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'" + prefix + "'");
  }

  @ParameterizedTest
  @EnumSource
  void givesEachKindTheTopicOfItsChannel(RequestKind kind) {
    assertThat(kind.topic(topics))
        .isEqualTo(
            switch (kind) {
              case ASK, EMBED, RERANK -> topics.llmRequests();
              case SQL -> topics.sqlRequests();
              case CANCEL, PROGRESS -> topics.commands();
            });
    assertThat(RequestKind.ofWireName(kind.wireName())).contains(kind);
  }

  @Test
  void knowsNoOtherKind() {
    assertThat(RequestKind.ofWireName("ASK")).isEmpty();
    assertThat(RequestKind.ofWireName("")).isEmpty();
  }
}
