package org.pgoffload.worker.llm;

import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.pgoffload.worker.llm.stub.VendorStub;

/// The providers under conformance, each as its users configure it. A new provider adds its line.
enum Vendor {
  OPENAI("openai", "/v1/responses", Lack.STOP),
  AZURE_OPENAI("azure_openai", "/openai/v1/responses", Lack.STOP),
  ANTHROPIC("anthropic", "/v1/messages", Lack.EMBEDDINGS),
  OPENAI_COMPATIBLE("openai_compatible", "/v1/chat/completions");

  /// What a vendor's API does not have: then the suites want it refused in clear words.
  enum Lack {
    STOP,
    REASONING_EFFORT,
    EMBEDDINGS,
    DIMENSIONS,
    /// Nothing is told of limits.
    LIMITS
  }

  /// The name of its provider.
  final String provider;

  private final String path;

  @SuppressWarnings("ImmutableEnumChecker") // Set.of makes no other.
  private final Set<Lack> lacks;

  Vendor(String provider, String path, Lack... lacks) {
    this.provider = provider;
    this.path = path;
    this.lacks = Set.of(lacks);
  }

  /// Where a model of it is asked.
  String path(String model) {
    return path.replace("{model}", model);
  }

  boolean has(Lack feature) {
    return !lacks.contains(feature);
  }

  /// The provider that asks this address with the right key.
  LlmProvider at(String url, PostJson http) {
    return at(url, VendorStub.KEY, http);
  }

  LlmProvider at(String url, String key, PostJson http) {
    var variables = new ReadEnvironment(environment(url, key));
    var chosen = Objects.requireNonNull(ResolveProvider.choose(variables, http));
    if (!variables.problems().isEmpty()) {
      throw new AssertionError(variables.problems());
    }
    return chosen;
  }

  private Map<String, String> environment(String url, String key) {
    return switch (this) {
      case OPENAI ->
          Map.of(
              "LLM_PROVIDER",
              "openai",
              "OPENAI_BASE_URL",
              url + "/v1",
              "OPENAI_API_KEY",
              key,
              "OPENAI_MODEL",
              "model-1",
              "OPENAI_EMBEDDING_MODEL",
              "model-1");
      case AZURE_OPENAI ->
          Map.of(
              "AZURE_OPENAI_ENDPOINT",
              url,
              "AZURE_OPENAI_API_KEY",
              key,
              "AZURE_OPENAI_DEPLOYMENT",
              "model-1",
              "AZURE_OPENAI_EMBEDDING_DEPLOYMENT",
              "model-1");
      case ANTHROPIC ->
          Map.of("ANTHROPIC_BASE_URL", url, "ANTHROPIC_API_KEY", key, "ANTHROPIC_MODEL", "model-1");
      case OPENAI_COMPATIBLE ->
          Map.of(
              "OPENAI_BASE_URL",
              url + "/v1",
              "OPENAI_API_KEY",
              key,
              "OPENAI_MODEL",
              "model-1",
              "OPENAI_EMBEDDING_MODEL",
              "model-1");
    };
  }
}
