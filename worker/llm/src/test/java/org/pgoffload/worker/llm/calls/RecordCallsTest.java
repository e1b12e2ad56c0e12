package org.pgoffload.worker.llm.calls;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.TokenCounts;

class RecordCallsTest {
  private final RecordCalls calls = new RecordCalls(List.of());

  @Test
  void tellsEveryCallOfAShortRow() {
    for (int i = 0; i < RecordCalls.MOST_ENTRIES; i++) {
      calls.add(call("openai", "rate_limited", i));
    }

    assertThat(calls.entries()).hasSize(100).allMatch(call -> call.times() == null);
  }

  @Test
  void shortensALongRowAndNeverItsSums() {
    for (int i = 0; i < 1_203; i++) {
      calls.add(call(i % 3 == 0 ? "anthropic" : "openai", "rate_limited", i));
    }
    calls.add(call("openai", null, 1_203));

    var entries = calls.entries();
    assertThat(entries).hasSizeLessThanOrEqualTo(RecordCalls.MOST_ENTRIES);
    assertThat(entries.stream().mapToInt(Call::count).sum()).isEqualTo(1_204);
    assertThat(entries.stream().mapToLong(call -> call.tokens().input()).sum())
        .isEqualTo(1_203 * 1_204 / 2);
    assertThat(
            entries.stream()
                .filter(call -> call.provider().equals("anthropic"))
                .mapToInt(Call::count)
                .sum())
        .isEqualTo(401);
    assertThat(entries.subList(0, 10))
        .extracting(call -> call.tokens().input())
        .startsWith(0L, 1L, 2L);
    assertThat(entries.getLast()).isEqualTo(call("openai", null, 1_203));
    assertThat(entries.get(entries.size() - 2)).isEqualTo(call("openai", "rate_limited", 1_202));
  }

  @Test
  void goesOnCountingAtAnotherWorker() {
    for (int i = 0; i < 300; i++) {
      calls.add(call("openai", "rate_limited", 1));
    }
    var later = new RecordCalls(calls.entries());
    for (int i = 0; i < 300; i++) {
      later.add(call("openai", "rate_limited", 1));
    }

    assertThat(later.entries().stream().mapToInt(Call::count).sum()).isEqualTo(600);
    assertThat(later.entries().stream().mapToLong(call -> call.tokens().input()).sum())
        .isEqualTo(600);
  }

  @Test
  void countsOnWhenNoTwoEndedAlike() {
    for (int i = 0; i < 250; i++) {
      calls.add(call("provider-" + i, "rate_limited", 1));
    }

    assertThat(calls.entries()).hasSize(RecordCalls.MOST_ENTRIES);
    assertThat(calls.entries().stream().mapToInt(Call::count).sum()).isEqualTo(250);
  }

  private static Call call(String provider, @Nullable String errorCode, long inputTokens) {
    return new Call(
        provider,
        "m",
        "2026-01-02T03:04:05Z",
        1,
        new Call.Reply(errorCode, errorCode, errorCode == null ? 200 : 429, null, null),
        new TokenCounts(inputTokens, 0, 0, 0));
  }
}
