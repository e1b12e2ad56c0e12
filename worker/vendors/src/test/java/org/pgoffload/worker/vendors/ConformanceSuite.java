package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Turn;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.Vendor.Lack;
import org.pgoffload.worker.vendors.http.EnvironmentProxies;
import org.pgoffload.worker.vendors.http.HttpSettings;
import org.pgoffload.worker.vendors.http.PostJson;

/// What the conformance suites have in common: a stub of the vendors and the provider that asks it.
public abstract class ConformanceSuite {
  static final Instant NOW = Instant.parse("2026-11-21T10:00:00Z");
  static final String PROMPT = "Why is the sky over Prague so blue?";
  static final String REPORTED_MODEL = "model-1-2026-11-01";
  static final int MAX_BYTES = 1_000_000;

  final Vendor vendor;
  final VendorStub stub = VendorStub.start();
  final PostJson http = new PostJson(settings(Duration.ofSeconds(10)), InstantSource.fixed(NOW));

  /// Gives up on what stands still after some tens of milliseconds.
  final PostJson impatient =
      new PostJson(settings(Duration.ofMillis(60)), InstantSource.fixed(NOW));

  ConformanceSuite(Vendor vendor) {
    this.vendor = vendor;
  }

  @AfterEach
  void close() {
    http.close();
    impatient.close();
    stub.close();
  }

  public static HttpSettings settings(Duration idle) {
    return new HttpSettings(Duration.ofSeconds(5), idle, MAX_BYTES, EnvironmentProxies.NONE);
  }

  LlmProvider provider() {
    return vendor.at(stub.url().toString(), http);
  }

  LlmProvider impatientProvider() {
    return vendor.at(stub.url().toString(), impatient);
  }

  /// Of replies that name none.
  Usage usage() {
    return vendor.usage(StubReply.Tokens.DEFAULT);
  }

  /// Of every reply that is no answer.
  @Nullable String requestId() {
    return vendor.has(Lack.ID) ? VendorStub.REQUEST_ID : null;
  }

  Origin origin() {
    return new Origin(vendor.provider, REPORTED_MODEL, VendorStub.REQUEST_ID);
  }

  public static LlmCall call(String prompt) {
    return call(prompt, Duration.ofSeconds(30));
  }

  public static LlmCall call(String prompt, Duration timeout) {
    return call(prompt, LlmOptions.DEFAULTS, timeout);
  }

  public static LlmCall call(String prompt, LlmOptions options, Duration timeout) {
    return new LlmCall(7, null, null, List.of(Turn.user(prompt)), options, false, timeout);
  }

  /// A call whose answer is wanted piece by piece.
  static LlmCall streamed(String prompt, Duration timeout) {
    return new LlmCall(
        7, null, null, List.of(Turn.user(prompt)), LlmOptions.DEFAULTS, true, timeout);
  }

  LlmOutcome ask(String prompt) throws InterruptedException {
    return provider().ask(call(prompt), PieceListener.NONE);
  }

  LlmError failure(String prompt) throws InterruptedException {
    return error(ask(prompt));
  }

  LlmError failure(WireReply wire) throws InterruptedException {
    stub.next(StubReply.wire(wire));
    var error = failure(PROMPT);
    assertThat(error.message()).doesNotContain("Prague", VendorStub.KEY);
    return error;
  }

  public static LlmError error(LlmOutcome outcome) {
    return switch (outcome) {
      case LlmOutcome.Failed failed -> failed.error();
      case LlmOutcome.Answered answered -> throw new AssertionError("answered: " + answered);
      case LlmOutcome.Embedded embedded -> throw new AssertionError("embedded: " + embedded);
      case LlmOutcome.Reranked reranked -> throw new AssertionError("reranked: " + reranked);
    };
  }
}
