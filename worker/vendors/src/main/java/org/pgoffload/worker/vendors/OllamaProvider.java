package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.EventFraming;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Ollama by its own API (docs.ollama.com/api), which tells more and takes more than its imitation
/// of OpenAI's.
///
/// @param key null for a server that wants none, as Ollama's does unless it is in the cloud
/// @param defaultEmbeddingModel null where nothing tells which one the server has
public record OllamaProvider(
    BaseUrl baseUrl,
    @Nullable Secret key,
    String defaultModel,
    @Nullable String defaultEmbeddingModel,
    PostJson http)
    implements HttpProvider {

  static final String NAME = "ollama";

  private static final int PORT = 11434;
  private static final Set<String> EFFORTS = Set.of("none", "low", "medium", "high");

  /// Reads the settings; null if they do not suffice, the problems being left in the environment.
  public static @Nullable OllamaProvider from(ReadEnvironment environment, PostJson http) {
    var baseUrl =
        environment.has("OLLAMA_BASE_URL") ? environment.url("OLLAMA_BASE_URL") : host(environment);
    if (!hasAddress(environment)) {
      environment.problem(
          "no address for Ollama: set OLLAMA_BASE_URL, such as http://localhost:11434");
    }
    var key = environment.key("OLLAMA_API_KEY");
    // Nothing stands in for a model: the server has those that its user has pulled.
    var model = environment.text("OLLAMA_MODEL");
    if (model == null) {
      environment.problem(
          "no model for Ollama: set OLLAMA_MODEL to one that the server has; a request may still"
              + " name another");
    }
    if (baseUrl == null || model == null) {
      return null;
    }
    return new OllamaProvider(
        baseUrl, key, model, environment.text("OLLAMA_EMBEDDING_MODEL"), http);
  }

  /// Whether an address and a model are given: the address alone is what a machine may have on
  /// which Ollama runs.
  static boolean isConfigured(ReadEnvironment environment) {
    return hasAddress(environment) && environment.has("OLLAMA_MODEL");
  }

  private static boolean hasAddress(ReadEnvironment environment) {
    return environment.has("OLLAMA_BASE_URL") || environment.has("OLLAMA_HOST");
  }

  /// As Ollama's own clients read it: a host, with or without a scheme and a port.
  private static @Nullable BaseUrl host(ReadEnvironment environment) {
    var value = environment.text("OLLAMA_HOST");
    if (value == null) {
      return null;
    }
    if (value.contains("://")) {
      return environment.url("OLLAMA_HOST", value);
    }
    var authority = value.split("[/?#]", 2)[0];
    var port = authority.matches(".*:\\d+") ? "" : ":" + PORT;
    return environment.url(
        "OLLAMA_HOST", "http://" + authority + port + value.substring(authority.length()));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public URI endpoint(LlmCall call, String model) {
    return baseUrl.at("/api/chat");
  }

  @Override
  public Credentials credentials(Duration timeout) {
    return Credentials.bearer(key);
  }

  @Override
  public @Nullable String refuses(LlmCall call) {
    var effort = call.options().reasoningEffort();
    return effort == null || EFFORTS.contains(effort)
        ? OllamaFormat.refusesImages(call)
        : "the option reasoning_effort is none, low, medium or high in Ollama's API";
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    return OllamaFormat.question(call, model);
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    return OllamaFormat.answer(reply);
  }

  @Override
  public FoldEvents fold() {
    return OllamaFormat.fold();
  }

  @Override
  public EventFraming framing() {
    return EventFraming.JSON_LINES;
  }

  @Override
  public EmbeddingFormat embeddings() {
    return new OllamaEmbeddings(baseUrl.at("/api/embed"));
  }

  @Override
  public EmbedLimits embedLimits() {
    return OllamaEmbeddings.LIMITS;
  }
}
