package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.EmbedLimits;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.vendors.entra.AzureAccess;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.VendorReply;

/// Azure OpenAI by its v1 path: the Responses API with a deployment in the place of a model
/// (learn.microsoft.com/azure/foundry/openai/api-version-lifecycle).
///
/// @param baseUrl up to and with `/openai/v1`
/// @param access closed with this provider
/// @param defaultModel the deployment that answers a call which names none
/// @param defaultEmbeddingModel the deployment that embeds for a call which names none, or null
public record AzureOpenAiProvider(
    BaseUrl baseUrl,
    AzureAccess access,
    String defaultModel,
    @Nullable String defaultEmbeddingModel,
    PostJson http)
    implements HttpProvider {

  static final String NAME = "azure_openai";

  /// Reads the settings; null if they do not suffice, the problems being left in the environment.
  public static @Nullable AzureOpenAiProvider from(ReadEnvironment environment, PostJson http) {
    var resource = environment.url("AZURE_OPENAI_ENDPOINT");
    if (!environment.has("AZURE_OPENAI_ENDPOINT")) {
      environment.problem(
          "no endpoint for Azure OpenAI: set AZURE_OPENAI_ENDPOINT, such as"
              + " https://my-resource.openai.azure.com");
    }
    // Without an endpoint nobody asks Azure, and who this process is to it does not matter.
    var access =
        environment.has("AZURE_OPENAI_ENDPOINT") ? AzureAccess.from(environment, http) : null;
    // Nothing stands in for a deployment: its name is of the user's making.
    var deployment = environment.text("AZURE_OPENAI_DEPLOYMENT");
    if (deployment == null) {
      environment.problem(
          "no deployment for Azure OpenAI: set AZURE_OPENAI_DEPLOYMENT; a request may still name"
              + " another");
    }
    if (resource == null || access == null || deployment == null) {
      return null;
    }
    return new AzureOpenAiProvider(
        withVersion(resource),
        access,
        deployment,
        environment.text("AZURE_OPENAI_EMBEDDING_DEPLOYMENT"),
        http);
  }

  /// The portal shows the endpoint both with and without the path of the v1 API.
  private static BaseUrl withVersion(BaseUrl resource) {
    var path = "/openai/v1";
    return resource.withoutQuery().endsWith(path) ? resource : resource.below(path);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public URI endpoint(LlmCall call, String model) {
    return baseUrl.at("/responses");
  }

  @Override
  public Credentials credentials(Duration timeout) throws InterruptedException {
    return access.credentials(timeout);
  }

  @Override
  public List<String> requestIdHeaders() {
    return List.of("apim-request-id", "x-request-id");
  }

  @Override
  public @Nullable String refuses(LlmCall call) {
    return ResponsesFormat.refuses(call, "ask another provider by llm.provider");
  }

  @Override
  public ObjectNode question(LlmCall call, String model) {
    return ResponsesFormat.question(call, model);
  }

  @Override
  public LlmOutcome answer(VendorReply reply) {
    return ResponsesFormat.answer(reply);
  }

  @Override
  public FoldEvents fold() {
    return ResponsesFormat.fold();
  }

  @Override
  public EmbeddingFormat embeddings() {
    return new OpenAiEmbeddings(
        baseUrl.at("/embeddings"), "AZURE_OPENAI_EMBEDDING_DEPLOYMENT", true);
  }

  @Override
  public EmbedLimits embedLimits() {
    return OpenAiEmbeddings.LIMITS;
  }

  @Override
  public void close() {
    access.close();
    http.close();
  }
}
