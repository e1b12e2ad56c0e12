package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Kind;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.Vendor.Lack;

/// What every provider has to do with texts to embed, over real HTTP; one without embeddings says
/// so.
@ParameterizedClass
@EnumSource
class EmbeddingConformanceTest extends ConformanceSuite {
  private static final List<String> TEXTS = List.of("Prague is blue.", "žluťoučký €😀", "three");

  EmbeddingConformanceTest(Vendor vendor) {
    super(vendor);
  }

  @Test
  void saysThatItHasNone() throws InterruptedException {
    assumeFalse(vendor.has(Lack.EMBEDDINGS));

    var error = error(embed(TEXTS, null));

    assertThat(error.code()).isEqualTo(LlmErrorCode.EMBEDDINGS_NOT_SUPPORTED);
    assertThat(error.message()).startsWith(vendor.provider + " has no embeddings");
    assertThat(provider().defaultEmbeddingModel()).isNull();
    assertThat(stub.awaitQuestion(0)).isFalse();
  }

  @Test
  void embedsEachTextInItsPlace() throws InterruptedException {
    var embedded = embedded(TEXTS, null);

    assertThat(vectors(embedded))
        .isEqualTo(TEXTS.stream().map(text -> VendorStub.vector(text, null)).toList());
    assertThat(embedded.usage()).isEqualTo(new Usage(120, 0, 0, 0));
    assertThat(embedded.origin().provider()).isEqualTo(vendor.provider);
    assertThat(stub.questions().getFirst().model()).isEqualTo("model-1");
    assertThat(stub.questions().getFirst().turns())
        .isEqualTo(TEXTS.stream().map(text -> "input: " + text).toList());
  }

  @Test
  void asksForTheDimensions() throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS) && vendor.has(Lack.DIMENSIONS));

    var embedded = embedded(List.of("one"), 3);

    assertThat(vectors(embedded)).containsExactly(VendorStub.vector("one", 3));
    assertThat(stub.questions().getFirst().options().dimensions()).isEqualTo(3);
  }

  @Test
  void embedsAsManyTextsAsItSaysAtOnce() throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    var most = Math.min(provider().embedLimits().inputs(), 2048);
    var texts = IntStream.range(0, most).mapToObj(i -> "text " + i).toList();

    assertThat(vectors(embedded(texts, null)).getLast())
        .isEqualTo(VendorStub.vector(texts.getLast(), null));
  }

  @Test
  void reportsAWrongNumberOfVectors() throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    stub.next(new StubReply.Vectors(List.of(List.of(1f, 2f), List.of(3f, 4f))));

    var error = error(embed(TEXTS, null));

    assertThat(error.code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
    assertThat(error.message()).endsWith("3 texts were embedded as 2 vectors");
  }

  @Test
  void reportsVectorsOfDifferentLengths() throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    stub.next(new StubReply.Vectors(List.of(List.of(1f, 2f), List.of(3f), List.of(4f))));

    assertThat(error(embed(TEXTS, null)).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
  }

  @Test
  void reportsTheVendorsFailures() throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    stub.next(
        StubReply.failure(Kind.BAD_REQUEST),
        StubReply.failure(Kind.RATE_LIMITED),
        StubReply.failure(Kind.NO_QUOTA),
        StubReply.wire(new WireReply.CutBody("{")),
        StubReply.wire(new WireReply.Full(200, Map.of(), "{}")));

    var bad = error(embed(List.of("Prague is very blue today."), null));
    assertThat(bad.code()).isEqualTo(LlmErrorCode.INVALID_REQUEST);
    assertThat(bad.message()).doesNotContain("Prague");
    assertThat(error(embed(TEXTS, null)).code()).isEqualTo(LlmErrorCode.RATE_LIMITED);
    assertThat(error(embed(TEXTS, null)).code()).isEqualTo(LlmErrorCode.QUOTA_EXHAUSTED);
    assertThat(error(embed(TEXTS, null)).code()).isEqualTo(LlmErrorCode.CONNECTION_LOST);
    assertThat(error(embed(TEXTS, null)).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
  }

  @Test
  void keepsTheQueryOfTheAddress() throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    stub.wantQuery("api-version=2024-10-21");
    var provider =
        vendor.at(stub.url().toString(), "/?api-version=2024-10-21", VendorStub.KEY, http);

    assertThat(provider.embed(new EmbedCall(null, TEXTS, null, Duration.ofSeconds(30))))
        .isInstanceOf(LlmOutcome.Embedded.class);
  }

  private LlmOutcome embed(List<String> texts, @Nullable Integer dimensions)
      throws InterruptedException {
    return provider().embed(new EmbedCall(null, texts, dimensions, Duration.ofSeconds(30)));
  }

  private LlmOutcome.Embedded embedded(List<String> texts, @Nullable Integer dimensions)
      throws InterruptedException {
    assumeTrue(vendor.has(Lack.EMBEDDINGS));
    return switch (embed(texts, dimensions)) {
      case LlmOutcome.Embedded embedded -> embedded;
      case LlmOutcome other -> throw new AssertionError(other);
    };
  }

  private static List<List<Float>> vectors(LlmOutcome.Embedded embedded) {
    return embedded.vectors().stream()
        .map(vector -> IntStream.range(0, vector.length).mapToObj(i -> vector[i]).toList())
        .toList();
  }
}
