package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.llm.stub.StubOptions;
import org.pgoffload.worker.llm.stub.StubQuestion;
import org.pgoffload.worker.llm.stub.VendorStub;

/// What OpenAI's provider does beyond what all do.
class OpenAiProviderTest {
  private static final LlmCall CALL =
      new LlmCall(
          1,
          null,
          null,
          List.of(Turn.user("Why?")),
          new LlmOptions(null, 64, List.of(), null, null),
          false,
          Duration.ofSeconds(30));

  private final VendorStub stub = VendorStub.start();
  private final PostJson http = new PostJson(HttpSettings.defaults(), InstantSource.system());

  @AfterEach
  void close() {
    http.close();
    stub.close();
  }

  @Test
  void asksAServerThatWantsNoKeyWithoutOne() throws InterruptedException {
    var provider = chatCompletions(OpenAiProvider.COMPATIBLE_NAME);

    assertThat(provider.ask(CALL, PieceListener.NONE)).isInstanceOf(LlmOutcome.Answered.class);
  }

  @Test
  void limitsTokensByTheNameThatTheServerKnows() {
    var openAi = chatCompletions(OpenAiProvider.NAME).question(CALL, "m");
    var compatible = chatCompletions(OpenAiProvider.COMPATIBLE_NAME).question(CALL, "m");

    assertThat(openAi.toString()).contains("\"max_completion_tokens\":64");
    assertThat(compatible.toString()).contains("\"max_tokens\":64");
  }

  @Test
  void asksOpenAiByChatCompletionsWhereThatIsChosen() throws InterruptedException {
    var provider = chatCompletions(OpenAiProvider.NAME);

    provider.ask(CALL, PieceListener.NONE);

    assertThat(stub.questions())
        .containsExactly(
            new StubQuestion(
                "/v1/chat/completions",
                "model-1",
                null,
                List.of("user: Why?"),
                StubOptions.limit(64),
                false));
  }

  private OpenAiProvider chatCompletions(String name) {
    return new OpenAiProvider(
        name,
        URI.create(stub.url() + "/v1"),
        OpenAiProvider.Api.CHAT_COMPLETIONS,
        null,
        "model-1",
        null,
        http);
  }
}
