package org.pgoffload.worker.vendors;

import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadHttpSettings;

/// Chooses the providers from the environment. The primary: `LLM_PROVIDER` wins; else Azure OpenAI
/// if `AZURE_OPENAI_ENDPOINT` is set, then Anthropic if `ANTHROPIC_API_KEY` is, then OpenAI by
/// `OPENAI_API_KEY` or the address of a compatible server, then Gemini and Mistral by their keys,
/// and Ollama by its address and model. Every other provider whose own settings are complete can be
/// asked too, by its name; `echo` only if it is the primary or a fallback, since nothing but its
/// name asks for it. `docs/configuration.md` has every variable. Contacts nobody; reads the files
/// that `*_KEY_FILE` name.
public final class ResolveProvider {

  /// The values of `LLM_PROVIDER`.
  static final List<String> NAMES =
      List.of(
          OpenAiProvider.NAME,
          OpenAiProvider.COMPATIBLE_NAME,
          AzureOpenAiProvider.NAME,
          AnthropicProvider.NAME,
          GeminiProvider.NAME,
          MistralProvider.NAME,
          OllamaProvider.NAME,
          EchoProvider.NAME);

  /// The two that `OPENAI_*` configures, of which a worker therefore has one.
  private static final Set<String> ONE_OF =
      Set.of(OpenAiProvider.NAME, OpenAiProvider.COMPATIBLE_NAME);

  private ResolveProvider() {}

  /// The providers that the environment describes, or every reason why there are none.
  ///
  /// @param environment as `System.getenv()` gives it
  /// @param clock to which a vendor's `Retry-After` date is compared
  public static ProviderResolution from(Map<String, String> environment, InstantSource clock) {
    var variables = new ReadEnvironment(environment);
    var http = new PostJson(ReadHttpSettings.from(variables), clock);
    var primary = choose(variables, http);
    var fallbacks = ReadFallbacks.entries(variables);
    var named = new LinkedHashMap<String, LlmProvider>();
    if (primary != null) {
      named.put(primary.name(), primary);
      fallbacks.forEach(entry -> addFallback(entry.provider(), named, variables, http));
      NAMES.forEach(name -> addIfComplete(name, named, variables, http));
    }
    if (named.values().stream().noneMatch(HttpProvider.class::isInstance)) {
      http.close();
    }
    if (primary == null || !variables.problems().isEmpty()) {
      named.values().forEach(LlmProvider::close);
      return new ProviderResolution.Unresolved(variables.problems());
    }
    return new ProviderResolution.Resolved(
        new LlmProviders(
            primary, List.copyOf(named.values()), ReadFallbacks.targets(fallbacks, named)));
  }

  /// Whether the environment says nothing of any provider: where `demo` and `dev` take `echo`, and
  /// announce it.
  public static boolean isLeftOpen(Map<String, String> environment) {
    var variables = new ReadEnvironment(environment);
    return Stream.of(
                "LLM_PROVIDER", ReadFallbacks.VARIABLE, "AZURE_OPENAI_ENDPOINT", "OPENAI_BASE_URL")
            .noneMatch(variables::has)
        && Stream.of("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "MISTRAL_API_KEY")
            .noneMatch(variables::hasSecret)
        && !GeminiProvider.isConfigured(variables)
        && !OllamaProvider.isConfigured(variables);
  }

  /// The primary, its problems left with the variables; null if the choice itself is one.
  static @Nullable LlmProvider choose(ReadEnvironment variables, PostJson http) {
    var asked = variables.text("LLM_PROVIDER");
    var name = asked == null ? detect(variables) : asked.toLowerCase(Locale.ROOT);
    if (!NAMES.contains(name)) {
      variables.problem("LLM_PROVIDER must be one of: " + String.join(", ", NAMES));
      return null;
    }
    return read(name, asked != null, variables, http);
  }

  private static String detect(ReadEnvironment variables) {
    if (variables.has("AZURE_OPENAI_ENDPOINT")) {
      return AzureOpenAiProvider.NAME;
    }
    if (variables.hasSecret("ANTHROPIC_API_KEY")) {
      return AnthropicProvider.NAME;
    }
    if (variables.hasSecret("OPENAI_API_KEY") || variables.has("OPENAI_BASE_URL")) {
      return OpenAiProvider.NAME;
    }
    if (GeminiProvider.isConfigured(variables)) {
      return GeminiProvider.NAME;
    }
    if (variables.hasSecret("MISTRAL_API_KEY")) {
      return MistralProvider.NAME;
    }
    // Whose problem then says what to set.
    return OllamaProvider.isConfigured(variables) ? OllamaProvider.NAME : OpenAiProvider.NAME;
  }

  /// The provider of this name, its problems left with the variables.
  ///
  /// @param named whether somebody has named it, rather than that its settings are there
  private static @Nullable LlmProvider read(
      String name, boolean named, ReadEnvironment variables, PostJson http) {
    return switch (name) {
      case OpenAiProvider.NAME, OpenAiProvider.COMPATIBLE_NAME ->
          OpenAiProvider.from(variables, named ? name : null, http);
      case AzureOpenAiProvider.NAME -> AzureOpenAiProvider.from(variables, http);
      case AnthropicProvider.NAME -> AnthropicProvider.from(variables, http);
      case GeminiProvider.NAME -> GeminiProvider.from(variables, http);
      case MistralProvider.NAME -> MistralProvider.from(variables, http);
      case OllamaProvider.NAME -> OllamaProvider.from(variables, http);
      case EchoProvider.NAME -> EchoProvider.from(variables);
      default -> throw new IllegalArgumentException("no provider: " + name);
    };
  }

  /// A fallback has to be configured as if it were the primary.
  private static void addFallback(
      String name, Map<String, LlmProvider> named, ReadEnvironment variables, PostJson http) {
    if (named.containsKey(name)) {
      return;
    }
    if (!NAMES.contains(name)) {
      variables.problem(
          ReadFallbacks.VARIABLE
              + " has a provider that there is not: they are "
              + String.join(", ", NAMES));
    } else if (isTaken(name, named)) {
      variables.problem(
          ReadFallbacks.VARIABLE
              + " has openai and openai_compatible beside each other: OPENAI_BASE_URL and its like"
              + " configure one of the two");
    } else {
      var own = variables.anew();
      var provider = read(name, true, own, http);
      own.problems()
          .forEach(problem ->
              variables.problem(ReadFallbacks.VARIABLE + " has " + name + ": " + problem));
      if (provider != null) {
        named.put(name, provider);
      }
    }
  }

  private static void addIfComplete(
      String name, Map<String, LlmProvider> named, ReadEnvironment variables, PostJson http) {
    if (named.containsKey(name) || isTaken(name, named) || name.equals(EchoProvider.NAME)) {
      return;
    }
    // What is wrong with a provider that nobody has named is nobody's problem.
    var own = variables.anew();
    var provider = read(name, false, own, http);
    if (provider != null && own.problems().isEmpty()) {
      named.put(provider.name(), provider);
    }
  }

  private static boolean isTaken(String name, Map<String, LlmProvider> named) {
    return ONE_OF.contains(name) && named.keySet().stream().anyMatch(ONE_OF::contains);
  }
}
