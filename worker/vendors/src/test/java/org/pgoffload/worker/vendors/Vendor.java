package org.pgoffload.worker.vendors;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.pgoffload.dev.testkit.vendors.StubReply.Kind;
import org.pgoffload.dev.testkit.vendors.StubReply.Tokens;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// The providers under conformance, each as its users configure it. A new provider adds its line.
public enum Vendor {
  OPENAI("openai", "/v1/responses", Lack.STOP),
  AZURE_OPENAI("azure_openai", "/openai/v1/responses", Lack.STOP),
  ANTHROPIC("anthropic", "/v1/messages", Lack.EMBEDDINGS),
  OPENAI_COMPATIBLE("openai_compatible", "/v1/chat/completions"),
  GEMINI(
      "gemini",
      "/v1beta/models/{model}:generateContent",
      Lack.REFUSAL,
      Lack.ID,
      Lack.GIF,
      Lack.LIMITS),
  MISTRAL(
      "mistral",
      "/mistral/v1/chat/completions",
      Lack.REFUSAL,
      Lack.FILTER,
      Lack.REASONING_TOKENS,
      Lack.RESETS),
  OLLAMA(
      "ollama",
      "/api/chat",
      Lack.REFUSAL,
      Lack.FILTER,
      Lack.CACHED_TOKENS,
      Lack.REASONING_TOKENS,
      Lack.LINKED_IMAGES,
      Lack.LIMITS);

  /// What a vendor's API does not have: then the suites want it refused in clear words.
  enum Lack {
    STOP,
    REASONING_EFFORT,
    EMBEDDINGS,
    DIMENSIONS,
    /// Images come as their bytes alone.
    LINKED_IMAGES,
    GIF,
    /// Nothing is told of limits.
    LIMITS,
    /// Limits are told without when they are over.
    RESETS,
    /// A model that declines says so in its answer.
    REFUSAL,
    /// No filter stops prompts or answers.
    FILTER,
    /// Only answers have an id, in their body.
    ID,
    CACHED_TOKENS,
    REASONING_TOKENS
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

  /// The status of a failure, where vendors differ.
  int status(Kind kind) {
    return switch (kind) {
      case WRONG_KEY -> this == GEMINI ? 400 : 401;
      case UNKNOWN_MODEL -> this == MISTRAL ? 400 : 404;
      case NO_QUOTA -> this == MISTRAL ? 402 : 429;
      default -> throw new IllegalArgumentException("the same for all: " + kind);
    };
  }

  /// What is told of the tokens of a call.
  Usage usage(Tokens tokens) {
    return new Usage(
        tokens.input(),
        has(Lack.CACHED_TOKENS) ? tokens.cached() : 0,
        tokens.output(),
        has(Lack.REASONING_TOKENS) ? tokens.reasoning() : 0);
  }

  boolean has(Lack feature) {
    return !lacks.contains(feature);
  }

  /// The provider that asks this address with the right key.
  public LlmProvider at(String url, PostJson http) {
    return at(url, VendorStub.KEY, http);
  }

  public LlmProvider at(String url, String key, PostJson http) {
    return at(url, "", key, http);
  }

  /// The provider that asks an address with a query, which begins with `?`.
  public LlmProvider at(String url, String query, String key, PostJson http) {
    var variables = new ReadEnvironment(environment(url, query, key));
    var chosen = Objects.requireNonNull(ResolveProvider.choose(variables, http));
    if (!variables.problems().isEmpty()) {
      throw new AssertionError(variables.problems());
    }
    return chosen;
  }

  private Map<String, String> environment(String url, String query, String key) {
    return switch (this) {
      case OPENAI -> {
        var variables = new HashMap<>(variables("OPENAI", url + "/v1" + query, key));
        variables.put("LLM_PROVIDER", "openai");
        yield variables;
      }
      case AZURE_OPENAI ->
          Map.of(
              "AZURE_OPENAI_ENDPOINT",
              url + query,
              "AZURE_OPENAI_API_KEY",
              key,
              "AZURE_OPENAI_DEPLOYMENT",
              "model-1",
              "AZURE_OPENAI_EMBEDDING_DEPLOYMENT",
              "model-1");
      case ANTHROPIC -> variables("ANTHROPIC", url + query, key);
      case OPENAI_COMPATIBLE -> variables("OPENAI", url + "/v1" + query, key);
      case GEMINI -> variables("GEMINI", url + "/v1beta" + query, key);
      case MISTRAL -> variables("MISTRAL", url + "/mistral/v1" + query, key);
      case OLLAMA -> variables("OLLAMA", url + query, key);
    };
  }

  private static Map<String, String> variables(String prefix, String url, String key) {
    return Map.of(
        prefix + "_BASE_URL",
        url,
        prefix + "_API_KEY",
        key,
        prefix + "_MODEL",
        "model-1",
        prefix + "_EMBEDDING_MODEL",
        "model-1");
  }
}
