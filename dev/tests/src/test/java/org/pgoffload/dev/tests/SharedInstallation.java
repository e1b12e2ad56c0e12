package org.pgoffload.dev.tests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.Map;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ExtensionContext.StoreScope;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.rerank.RerankStub;
import org.pgoffload.dev.testkit.vendors.StubQuestion;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;

/// The installation that the test classes of a JVM share, with strict stand-ins of two vendors and
/// of a reranker over HTTP, and a collector of traces. OpenAI is asked first; Anthropic is the
/// fallback.
///
/// It starts for the first class that wants it, and ends with the JVM's last. What a class makes in
/// it (roles, tables, records) has names of its own.
record SharedInstallation(
    TestInstallation installation,
    VendorStub openai,
    VendorStub anthropic,
    RerankStub reranker,
    TraceCollector collector)
    implements AutoCloseable {
  /// Prompts that begin so are never answered.
  static final String SILENCE = "silence";

  /// Prompts that begin so are answered as if the key were wrong.
  static final String WRONG_KEY = "with a wrong key";

  /// Gives it to the methods of a class that take one.
  static final class Extension implements BeforeAllCallback, ParameterResolver {
    /// Here, where an assumption that does not hold skips the class.
    @Override
    public void beforeAll(ExtensionContext context) {
      of(context);
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
      return parameter.getParameter().getType() == SharedInstallation.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
      return of(context);
    }

    /// Of the session, because Surefire hands the classes to a JVM one by one.
    private static SharedInstallation of(ExtensionContext context) {
      return context
          .getStore(StoreScope.LAUNCHER_SESSION, Namespace.create(SharedInstallation.class))
          .computeIfAbsent(
              SharedInstallation.class, _ -> SharedInstallation.start(), SharedInstallation.class);
    }
  }

  private static SharedInstallation start() {
    try {
      var openai = VendorStub.start();
      openai.otherwise(SharedInstallation::reply);
      var anthropic = VendorStub.start();
      anthropic.otherwise(SharedInstallation::reply);
      var reranker = RerankStub.start();
      var collector = TraceCollector.start();
      var installation =
          TestInstallation.start(
              Files.createTempDirectory("pgoffload-tests-"),
              Map.ofEntries(
                  Map.entry("LLM_PROVIDER", "openai"),
                  Map.entry("OPENAI_API_KEY", VendorStub.KEY),
                  Map.entry("OPENAI_BASE_URL", openai.url() + "/v1"),
                  Map.entry("ANTHROPIC_API_KEY", VendorStub.KEY),
                  Map.entry("ANTHROPIC_BASE_URL", anthropic.url().toString()),
                  Map.entry("PGOFFLOAD_RERANK_URL", reranker.at("/v2/rerank")),
                  Map.entry("PGOFFLOAD_RERANK_API_KEY", RerankStub.KEY),
                  Map.entry("PGOFFLOAD_RERANK_MODEL", "rerank-1"),
                  Map.entry("PGOFFLOAD_RERANK_MAX_DOCUMENTS", "3"),
                  Map.entry("LLM_FALLBACKS", "anthropic:claude-fallback"),
                  Map.entry("LLM_MAX_TRIES", "2"),
                  Map.entry("LLM_RETRY_WAIT", "20ms"),
                  Map.entry("LLM_EMBED_LINGER", "100ms"),
                  Map.entry("NO_PROXY", "localhost"),
                  Map.entry("PGOFFLOAD_MANAGEMENT_ADDRESS", "127.0.0.1:0"),
                  Map.entry("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
                  Map.entry("OTEL_BSP_SCHEDULE_DELAY", "50")));
      return new SharedInstallation(installation, openai, anthropic, reranker, collector);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /// By what is asked, so that no test can take another's reply.
  private static StubReply reply(StubQuestion question) {
    var said = question.lastText();
    if (said.startsWith(SILENCE)) {
      return StubReply.wire(new WireReply.Silence());
    }
    if (said.startsWith(WRONG_KEY)) {
      return StubReply.failure(StubReply.Kind.WRONG_KEY);
    }
    if (said.startsWith("refuse")) {
      return StubReply.failure(StubReply.Kind.BAD_REQUEST);
    }
    if (said.startsWith("no quota") && question.path().contains("responses")) {
      return StubReply.failure(StubReply.Kind.NO_QUOTA);
    }
    // with words that meet no schema
    return question.turns().getFirst().contains("prose")
        ? StubReply.answer("stub answer to: " + said)
        : StubReply.to(question);
  }

  @Override
  public void close() {
    installation.close();
    openai.close();
    anthropic.close();
    reranker.close();
    collector.close();
  }
}
