package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.HttpSettings;
import org.pgoffload.worker.vendors.http.PostJson;

class GeminiProviderTest {
  @AutoClose private final VendorStub stub = VendorStub.start();

  @AutoClose
  private final PostJson http =
      new PostJson(HttpSettings.defaults(), InstantSource.fixed(Instant.EPOCH));

  private final GeminiProvider provider =
      new GeminiProvider(
          BaseUrl.of(stub.url() + "/v1beta"), Secret.of(VendorStub.KEY), "model-1", "embed", http);

  @Test
  void obeysTheDelayInTheBodyOfARefusal() throws InterruptedException {
    reply(
        429,
        """
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded.",
         "details": [
           {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "GenerateContentInputTokensPerModelPerMinute"}]},
           {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.074824224s"}]}}
        """);

    assertThat(ask("model-1"))
        .isEqualTo(
            new LlmOutcome.Failed(
                new LlmError(
                    LlmErrorCode.RATE_LIMITED,
                    "gemini: answered HTTP 429 (RESOURCE_EXHAUSTED): Quota exceeded.",
                    429,
                    Duration.ofMillis(34_075),
                    null),
                "model-1",
                Usage.NONE,
                List.of()));
  }

  @Test
  void saysWhyTheFilterStoppedAnAnswer() throws InterruptedException {
    reply(
        200,
        """
        {"candidates": [{"finishReason": "RECITATION", "finishMessage": "Too close to a source."}],
         "usageMetadata": {"promptTokenCount": 7}, "modelVersion": "m", "responseId": "r"}
        """);

    assertThat(ask("model-1"))
        .isEqualTo(
            new LlmOutcome.Failed(
                new LlmError(
                    LlmErrorCode.CONTENT_FILTER,
                    "gemini: the vendor's content filter stopped the answer: RECITATION: Too close"
                        + " to a source.",
                    200,
                    null,
                    "r",
                    FinishReason.CONTENT_FILTER),
                "m",
                new Usage(7, 0, 0, 0),
                List.of()));
  }

  @Test
  void asksAModelByEitherOfItsNames() throws InterruptedException {
    assertThat(ask("models/model-2")).isInstanceOf(LlmOutcome.Answered.class);

    assertThat(stub.questions().getFirst().model()).isEqualTo("model-2");
  }

  @Test
  void letsNoModelLeadElsewhere() throws InterruptedException {
    ask("../files?x=#y z");

    assertThat(stub.questions().getFirst().path())
        .isEqualTo("/v1beta/models/..%2Ffiles%3Fx%3D%23y%20z:generateContent");
  }

  private void reply(int status, String body) {
    stub.next(
        StubReply.wire(
            new WireReply.Full(status, Map.of("Content-Type", "application/json"), body)));
  }

  private LlmOutcome ask(String model) throws InterruptedException {
    return provider.ask(
        ConformanceSuite.call("Why?").to(model, Duration.ofSeconds(30)), PieceListener.NONE);
  }
}
