package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubOptions;
import org.pgoffload.dev.testkit.vendors.StubQuestion;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.entra.AzureAccess;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.HttpSettings;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.PostJson;

/// What OpenAI's provider does beyond what all do.
class OpenAiProviderTest {
  private static final LlmCall CALL =
      ConformanceSuite.call(
          "Why?", new LlmOptions(null, 64, List.of(), null, null), Duration.ofSeconds(30));

  private static final Secret KEY = Secret.of(VendorStub.KEY);

  @AutoClose private final VendorStub stub = VendorStub.start();

  @AutoClose
  private final PostJson http = new PostJson(HttpSettings.defaults(), InstantSource.system());

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

  @Test
  void namesWhatTheModelGaveInThePlaceOfWords() throws InterruptedException {
    stub.next(
        StubReply.wire(
            new WireReply.Full(
                200,
                Map.of("Content-Type", "application/json"),
                """
                {"status": "completed", "output": [{"type": "reasoning"}, {"type": "function_call"}]}
                """)));
    var provider =
        new OpenAiProvider(
            OpenAiProvider.NAME,
            BaseUrl.of(stub.url() + "/v1"),
            OpenAiProvider.Api.RESPONSES,
            KEY,
            "model-1",
            null,
            http);

    assertThat(provider.ask(ConformanceSuite.call("Why?"), PieceListener.NONE))
        .isInstanceOfSatisfying(
            LlmOutcome.Failed.class,
            failed -> {
              assertThat(failed.error().code()).isEqualTo(LlmErrorCode.EMPTY_ANSWER);
              assertThat(failed.error().message()).contains("without a word: function_call");
              assertThat(failed.error().finishReason())
                  .isEqualTo(new FinishReason("function_call"));
            });
  }

  @Test
  void saysWhatToSetWhereNoModelForEmbeddingsIsKnown() throws InterruptedException {
    var call = new EmbedCall(null, List.of("Why?"), null, Duration.ofSeconds(30));
    var azure =
        new AzureOpenAiProvider(
            BaseUrl.of(stub.url() + "/openai/v1"), new AzureAccess.Key(KEY), "chat", null, http);

    assertThat(chatCompletions(OpenAiProvider.COMPATIBLE_NAME).embed(call))
        .isEqualTo(
            notSupported(
                "openai_compatible: no model for embeddings: set OPENAI_EMBEDDING_MODEL, or name"
                    + " one in the request",
                "model-1"));
    assertThat(azure.embed(call))
        .isEqualTo(
            notSupported(
                "azure_openai: no model for embeddings: set AZURE_OPENAI_EMBEDDING_DEPLOYMENT, or"
                    + " name one in the request",
                "chat"));
  }

  @Test
  void holdsTheModelToASchemaOnlyWhereOpenAiCan() {
    assertThat(isStrict("{'type': 'object', 'properties': {}, 'additionalProperties': false}"))
        .isTrue();
    assertThat(
            isStrict(
                """
                {'type': 'object', 'required': ['a', 'b'], 'additionalProperties': false,
                 'properties': {
                   'a': {'type': ['string', 'null'], 'pattern': '^x'},
                   'b': {'type': 'array', 'items': {'$ref': '#/$defs/c'}, 'minItems': 2}},
                 '$defs': {'c': {'anyOf': [{'type': 'integer', 'minimum': 0}, {'enum': [null]}]}}}
                """))
        .isTrue();
    for (var loose :
        List.of(
            "{'type': 'array', 'items': {'type': 'string'}}",
            "{'type': 'object', 'properties': {'a': {'type': 'string'}}}",
            "{'type': 'object', 'properties': {'a': {}}, 'additionalProperties': false}",
            "{'type': 'object', 'additionalProperties': false, 'allOf': []}",
            "{'type': 'object', 'additionalProperties': false, 'properties': {'a': true},"
                + " 'required': ['a']}",
            "{'type': 'object', 'additionalProperties': false, 'properties': {'a': {'anyOf':"
                + " [{'type': ['object', 'null']}]}}, 'required': ['a']}")) {
      assertThat(isStrict(loose)).as(loose).isFalse();
    }
  }

  private static boolean isStrict(String schema) {
    return StrictSchema.isStrict(Json.readObject(schema.replace('\'', '"')).orElseThrow());
  }

  private static LlmOutcome notSupported(String message, String model) {
    return new LlmOutcome.Failed(
        new LlmError(LlmErrorCode.EMBEDDINGS_NOT_SUPPORTED, message, null, null, null),
        model,
        Usage.NONE,
        List.of());
  }

  private OpenAiProvider chatCompletions(String name) {
    return new OpenAiProvider(
        name,
        BaseUrl.of(stub.url() + "/v1"),
        OpenAiProvider.Api.CHAT_COMPLETIONS,
        null,
        "model-1",
        null,
        http);
  }
}
