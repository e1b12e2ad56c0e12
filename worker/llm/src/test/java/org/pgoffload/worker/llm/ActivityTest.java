package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.worker.llm.calls.RecordCalls;

/// The form that `pgoffload.why_called` reads.
final class ActivityTest {
  private static final Instant NOW = Instant.ofEpochMilli(1_000);
  private static final InFlightRequest.Whom WHOM = new InFlightRequest.Whom("openai", "gpt");

  private static String told(Activity.What what, @Nullable Instant until, RecordCalls calls) {
    var told = JsonNodeFactory.instance.arrayNode();
    Activity.after(null, what, NOW).tell(told, until, calls, WHOM);
    return told.toString();
  }

  @Test
  void tellsTheWordTheTimeTheCallsAndWhom() {
    var none = new RecordCalls(List.of());
    var refused =
        new Call(
            "openai",
            "gpt",
            "2026-01-01T00:00:00Z",
            1,
            new Call.Reply("rate_limited", "no", 429, null, null),
            TokenCounts.NONE,
            3);
    assertThat(told(Activity.What.CALLING, null, none))
        .isEqualTo("[\"calling\",1000,0,\"openai:gpt\"]");
    assertThat(told(Activity.What.NEXT_TRY, NOW.plusSeconds(2), new RecordCalls(List.of(refused))))
        .isEqualTo("[\"next_try\",3000,3,\"openai:gpt\",\"rate_limited\"]");
    assertThat(told(Activity.What.ANSWER, null, none))
        .isEqualTo("[\"answer\",1000,0,\"openai:gpt\"]");
    // whose turn it is, the request itself says
    assertThat(told(Activity.What.TURN, null, none)).isEqualTo("[\"turn\",1000,0]");
  }

  @Test
  void goesOnWithWhatItDoesButEachCallIsOneOfItsOwn() {
    var turn = Activity.after(null, Activity.What.TURN, NOW);
    assertThat(Activity.after(turn, Activity.What.TURN, NOW.plusSeconds(1))).isEqualTo(turn);
    var call = Activity.after(turn, Activity.What.CALLING, NOW);
    assertThat(Activity.after(call, Activity.What.CALLING, NOW.plusSeconds(1)).since())
        .isEqualTo(NOW.plusSeconds(1));
  }
}
