package org.pgoffload.worker.llm;

import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Chooses the provider from the environment: `LLM_PROVIDER` wins; else Azure OpenAI if
/// `AZURE_OPENAI_ENDPOINT` is set, then Anthropic if `ANTHROPIC_API_KEY` is, then OpenAI, which
/// needs `OPENAI_API_KEY` or the address of a compatible server. `docs/llm-providers.md` has every
/// variable. Contacts nobody; reads the files that `*_KEY_FILE` name.
public final class ResolveProvider {

  /// The values of `LLM_PROVIDER`.
  static final List<String> NAMES =
      List.of(
          OpenAiProvider.NAME,
          OpenAiProvider.COMPATIBLE_NAME,
          AzureOpenAiProvider.NAME,
          AnthropicProvider.NAME,
          EchoProvider.NAME);

  private ResolveProvider() {}

  /// The provider that the environment describes, or every reason why there is none.
  ///
  /// @param environment as `System.getenv()` gives it
  /// @param clock to which a vendor's `Retry-After` date is compared
  public static ProviderResolution from(Map<String, String> environment, InstantSource clock) {
    var variables = new ReadEnvironment(environment);
    var http = new PostJson(ReadHttpSettings.from(variables), clock);
    var provider = choose(variables, http);
    if (!(provider instanceof HttpProvider)) {
      http.close();
    }
    if (provider != null && variables.problems().isEmpty()) {
      return new ProviderResolution.Resolved(LlmProviders.of(provider));
    }
    http.close();
    return new ProviderResolution.Unresolved(variables.problems());
  }

  /// Whether the environment says nothing of any provider: where `demo` and `dev` take `echo`, and
  /// announce it.
  public static boolean isLeftOpen(Map<String, String> environment) {
    var variables = new ReadEnvironment(environment);
    return Stream.of("LLM_PROVIDER", "AZURE_OPENAI_ENDPOINT", "OPENAI_BASE_URL")
            .noneMatch(variables::has)
        && Stream.of("ANTHROPIC_API_KEY", "OPENAI_API_KEY").noneMatch(variables::hasSecret);
  }

  /// The chosen provider, its problems left with the variables; null if the choice itself is one.
  static @Nullable LlmProvider choose(ReadEnvironment variables, PostJson http) {
    var asked = variables.text("LLM_PROVIDER");
    var name = asked == null ? detect(variables) : asked.toLowerCase(Locale.ROOT);
    return switch (name) {
      case OpenAiProvider.NAME, OpenAiProvider.COMPATIBLE_NAME ->
          OpenAiProvider.from(variables, asked == null ? null : name, http);
      case AzureOpenAiProvider.NAME -> AzureOpenAiProvider.from(variables, http);
      case AnthropicProvider.NAME -> AnthropicProvider.from(variables, http);
      case EchoProvider.NAME -> EchoProvider.from(variables);
      default -> {
        variables.problem("LLM_PROVIDER must be one of: " + String.join(", ", NAMES));
        yield null;
      }
    };
  }

  private static String detect(ReadEnvironment variables) {
    if (variables.has("AZURE_OPENAI_ENDPOINT")) {
      return AzureOpenAiProvider.NAME;
    }
    return variables.hasSecret("ANTHROPIC_API_KEY") ? AnthropicProvider.NAME : OpenAiProvider.NAME;
  }
}
