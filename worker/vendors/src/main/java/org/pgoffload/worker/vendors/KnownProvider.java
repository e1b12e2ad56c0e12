package org.pgoffload.worker.vendors;

import java.util.Arrays;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// The providers that a worker can ask, in the order in which it looks for their settings. A new
/// provider is a constant here: the choice of a provider, `LLM_PROVIDER`, `LLM_FALLBACKS` and
/// `echo` where nothing is configured all follow from it.
@SuppressWarnings("ImmutableEnumChecker") // its functions keep nothing
public enum KnownProvider {
  AZURE_OPENAI(
      AzureOpenAiProvider.NAME,
      "AZURE_OPENAI_ENDPOINT",
      variables -> variables.has("AZURE_OPENAI_ENDPOINT"),
      (variables, named, http) -> AzureOpenAiProvider.from(variables, http)),
  ANTHROPIC(
      AnthropicProvider.NAME,
      "ANTHROPIC_API_KEY",
      variables -> variables.hasSecret("ANTHROPIC_API_KEY"),
      (variables, named, http) -> AnthropicProvider.from(variables, http)),
  OPENAI(
      OpenAiProvider.NAME,
      "OPENAI_API_KEY",
      variables -> variables.hasSecret("OPENAI_API_KEY") || variables.has("OPENAI_BASE_URL"),
      (variables, named, http) ->
          OpenAiProvider.from(variables, named ? OpenAiProvider.NAME : null, http)),
  /// Has the variables of OpenAI, so a worker has one of the two, and this one only by its name.
  OPENAI_COMPATIBLE(
      OpenAiProvider.COMPATIBLE_NAME,
      "OPENAI_BASE_URL",
      variables -> false,
      (variables, named, http) ->
          OpenAiProvider.from(variables, named ? OpenAiProvider.COMPATIBLE_NAME : null, http)),
  GEMINI(
      GeminiProvider.NAME,
      "GEMINI_API_KEY",
      variables -> variables.hasSecret("GEMINI_API_KEY") || variables.hasSecret("GOOGLE_API_KEY"),
      (variables, named, http) -> GeminiProvider.from(variables, http)),
  MISTRAL(
      MistralProvider.NAME,
      "MISTRAL_API_KEY",
      variables -> variables.hasSecret("MISTRAL_API_KEY"),
      (variables, named, http) -> MistralProvider.from(variables, http)),
  OLLAMA(
      OllamaProvider.NAME,
      "OLLAMA_BASE_URL",
      OllamaProvider::isConfigured,
      (variables, named, http) -> OllamaProvider.from(variables, http)),
  /// Needs no settings, and answers only where it is named.
  ECHO(
      EchoProvider.NAME,
      "LLM_PROVIDER",
      variables -> false,
      (variables, named, http) -> EchoProvider.from(variables));

  /// Makes a provider of its variables, and leaves their problems with them.
  private interface Reader {
    /// @param named whether the user has named the provider, rather than only set its variables
    @Nullable LlmProvider read(ReadEnvironment variables, boolean named, PostJson http);
  }

  private final String word;
  private final String variable;
  private final Predicate<ReadEnvironment> configured;
  private final Reader reader;

  KnownProvider(
      String word, String variable, Predicate<ReadEnvironment> configured, Reader reader) {
    this.word = word;
    this.variable = variable;
    this.configured = configured;
    this.reader = reader;
  }

  /// Its name in `LLM_PROVIDER` and in SQL.
  public String word() {
    return word;
  }

  /// The variable that configures it first of all.
  public String variable() {
    return variable;
  }

  boolean isConfigured(ReadEnvironment variables) {
    return configured.test(variables);
  }

  @Nullable LlmProvider read(ReadEnvironment variables, boolean named, PostJson http) {
    return reader.read(variables, named, http);
  }

  static Optional<KnownProvider> of(String word) {
    return Arrays.stream(values()).filter(known -> known.word.equals(word)).findFirst();
  }

  static String words() {
    return Arrays.stream(values()).map(KnownProvider::word).collect(Collectors.joining(", "));
  }
}
