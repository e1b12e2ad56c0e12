package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.argumentSet;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.vendors.entra.AzureAccess;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.HttpSettings;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

class ResolveProviderTest {
  private static final Secret KEY = Secret.of("sk-1");

  @AutoClose
  private static final PostJson HTTP =
      new PostJson(HttpSettings.defaults(), InstantSource.system());

  static Stream<Arguments> settings() {
    return Stream.of(
        argumentSet("OpenAI by defaults", Map.of("OPENAI_API_KEY", "sk-1"), openAi("gpt-6.1-sol")),
        argumentSet(
            "OpenAI by explicit values",
            Map.of(
                "LLM_PROVIDER", "openai",
                "OPENAI_API_KEY", "sk-1",
                "OPENAI_BASE_URL", "https://eu.api.openai.com/v1/",
                "OPENAI_MODEL", "gpt-5.6-luna",
                "OPENAI_API", "chat_completions"),
            new OpenAiProvider(
                "openai",
                BaseUrl.of("https://eu.api.openai.com/v1"),
                OpenAiProvider.Api.CHAT_COMPLETIONS,
                KEY,
                "gpt-5.6-luna",
                "text-embedding-3-small",
                HTTP)),
        argumentSet(
            "a compatible server by its address alone",
            Map.of("OPENAI_BASE_URL", "http://localhost:11434/v1"),
            new OpenAiProvider(
                "openai_compatible",
                BaseUrl.of("http://localhost:11434/v1"),
                OpenAiProvider.Api.CHAT_COMPLETIONS,
                null,
                "gpt-6.1-sol",
                null,
                HTTP)),
        argumentSet(
            "a compatible server by explicit values",
            Map.of(
                "LLM_PROVIDER", "openai_compatible",
                "OPENAI_BASE_URL", "https://llm.example/v1",
                "OPENAI_API_KEY", "sk-1",
                "OPENAI_MODEL", "llama3.3",
                "OPENAI_EMBEDDING_MODEL", "nomic-embed-text",
                "OPENAI_API", "responses"),
            new OpenAiProvider(
                "openai_compatible",
                BaseUrl.of("https://llm.example/v1"),
                OpenAiProvider.Api.RESPONSES,
                KEY,
                "llama3.3",
                "nomic-embed-text",
                HTTP)),
        argumentSet(
            "Responses behind any address when OpenAI is named",
            Map.of("LLM_PROVIDER", "openai", "OPENAI_BASE_URL", "https://gateway.example/v1"),
            new OpenAiProvider(
                "openai",
                BaseUrl.of("https://gateway.example/v1"),
                OpenAiProvider.Api.RESPONSES,
                null,
                "gpt-6.1-sol",
                "text-embedding-3-small",
                HTTP)),
        argumentSet(
            "Azure by defaults",
            Map.of(
                "AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/",
                "AZURE_OPENAI_KEY", "sk-1",
                "AZURE_OPENAI_DEPLOYMENT", "chat"),
            new AzureOpenAiProvider(
                BaseUrl.of("https://mine.openai.azure.com/openai/v1"),
                new AzureAccess.Key(KEY),
                "chat",
                null,
                HTTP)),
        argumentSet(
            "Azure by explicit values",
            Map.of(
                "LLM_PROVIDER", "azure_openai",
                "AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/openai/v1",
                "AZURE_OPENAI_API_KEY", "sk-1",
                "AZURE_OPENAI_KEY", "sk-1",
                "AZURE_OPENAI_DEPLOYMENT", "chat",
                "AZURE_OPENAI_EMBEDDING_DEPLOYMENT", "embed"),
            new AzureOpenAiProvider(
                BaseUrl.of("https://mine.openai.azure.com/openai/v1"),
                new AzureAccess.Key(KEY),
                "chat",
                "embed",
                HTTP)),
        argumentSet(
            "Anthropic by defaults",
            Map.of("ANTHROPIC_API_KEY", "sk-1"),
            new AnthropicProvider(
                BaseUrl.of("https://api.anthropic.com"), KEY, "claude-sonnet-5-5", HTTP)),
        argumentSet(
            "Anthropic by explicit values",
            Map.of(
                "LLM_PROVIDER", "Anthropic",
                "ANTHROPIC_API_KEY", "sk-1",
                "ANTHROPIC_BASE_URL", "http://localhost:8080",
                "ANTHROPIC_MODEL", "claude-haiku-4-5"),
            new AnthropicProvider(
                BaseUrl.of("http://localhost:8080"), KEY, "claude-haiku-4-5", HTTP)),
        argumentSet(
            "Gemini by defaults",
            Map.of("GOOGLE_API_KEY", "sk-1"),
            new GeminiProvider(
                BaseUrl.of("https://generativelanguage.googleapis.com/v1beta"),
                KEY,
                "gemini-3.8-flash",
                "gemini-embedding-2",
                HTTP)),
        argumentSet(
            "Gemini by explicit values",
            Map.of(
                "LLM_PROVIDER", "gemini",
                "GEMINI_API_KEY", "sk-1",
                "GOOGLE_API_KEY", "of-the-maps",
                "GEMINI_BASE_URL", "http://localhost:8080/v1",
                "GEMINI_MODEL", "gemini-3.1-pro",
                "GEMINI_EMBEDDING_MODEL", "gemini-embedding-001"),
            new GeminiProvider(
                BaseUrl.of("http://localhost:8080/v1"),
                KEY,
                "gemini-3.1-pro",
                "gemini-embedding-001",
                HTTP)),
        argumentSet(
            "Mistral by defaults",
            Map.of("MISTRAL_API_KEY", "sk-1"),
            new MistralProvider(
                BaseUrl.of("https://api.mistral.ai/v1"),
                KEY,
                "mistral-medium-3-5",
                "mistral-embed",
                HTTP)),
        argumentSet(
            "Mistral by explicit values",
            Map.of(
                "LLM_PROVIDER", "mistral",
                "MISTRAL_BASE_URL", "http://localhost:8080/v1",
                "MISTRAL_MODEL", "mistral-large-4",
                "MISTRAL_EMBEDDING_MODEL", "codestral-embed"),
            new MistralProvider(
                BaseUrl.of("http://localhost:8080/v1"),
                null,
                "mistral-large-4",
                "codestral-embed",
                HTTP)),
        argumentSet(
            "Ollama by explicit values",
            Map.of(
                "LLM_PROVIDER", "ollama",
                "OLLAMA_BASE_URL", "https://ollama.com/",
                "OLLAMA_HOST", "not asked",
                "OLLAMA_API_KEY", "sk-1",
                "OLLAMA_MODEL", "gpt-oss:120b",
                "OLLAMA_EMBEDDING_MODEL", "embeddinggemma"),
            new OllamaProvider(
                BaseUrl.of("https://ollama.com"), KEY, "gpt-oss:120b", "embeddinggemma", HTTP)),
        argumentSet(
            "echo by defaults", Map.of("LLM_PROVIDER", "echo"), new EchoProvider(Duration.ZERO)),
        argumentSet(
            "echo by explicit values",
            Map.of("LLM_PROVIDER", "echo", "LLM_ECHO_DELAY", "250ms"),
            new EchoProvider(Duration.ofMillis(250))));
  }

  @ParameterizedTest
  @MethodSource("settings")
  void makesTheProviderThatTheSettingsDescribe(
      Map<String, String> environment, LlmProvider expected) {
    assertThat(provider(environment)).isEqualTo(expected);
  }

  @Test
  void azureByEntraIdWhereThereIsNoKey() {
    var environment =
        Map.of(
            "AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com",
            "AZURE_OPENAI_DEPLOYMENT", "chat",
            "AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");

    var azure = (AzureOpenAiProvider) provider(environment);

    assertThat(azure.access()).isInstanceOf(AzureAccess.Tokens.class);
  }

  @Test
  void ollamaByDefaults() {
    for (var host : List.of("localhost", "http://localhost:11434", "localhost:11434")) {
      assertThat(provider(Map.of("OLLAMA_HOST", host, "OLLAMA_MODEL", "llama3.3")))
          .as(host)
          .isEqualTo(
              new OllamaProvider(
                  BaseUrl.of("http://localhost:11434"), null, "llama3.3", null, HTTP));
    }
  }

  @Test
  void saysWhatOllamaLacks() {
    assertThat(problems(Map.of("LLM_PROVIDER", "ollama")))
        .containsExactly(
            "no address for Ollama: set OLLAMA_BASE_URL, such as http://localhost:11434",
            "no model for Ollama: set OLLAMA_MODEL to one that the server has; a request may still"
                + " name another");
  }

  @Test
  void theNamedProviderWinsThenTheOneFirstInOrder() {
    var all =
        Map.of(
            "GEMINI_API_KEY", "sk-1",
            "MISTRAL_API_KEY", "sk-1",
            "OLLAMA_HOST", "localhost",
            "OLLAMA_MODEL", "llama3.3",
            "AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com",
            "AZURE_OPENAI_API_KEY", "sk-1",
            "AZURE_OPENAI_DEPLOYMENT", "chat",
            "ANTHROPIC_API_KEY", "sk-1",
            "OPENAI_API_KEY", "sk-1");

    assertThat(provider(with(all, "LLM_PROVIDER", "openai")).name()).isEqualTo("openai");
    assertThat(provider(all).name()).isEqualTo("azure_openai");
    assertThat(provider(with(all, "AZURE_OPENAI_ENDPOINT", "")).name()).isEqualTo("anthropic");
    assertThat(
            provider(with(with(all, "AZURE_OPENAI_ENDPOINT", " "), "ANTHROPIC_API_KEY", "")).name())
        .isEqualTo("openai");
    var rest = new HashMap<>(all);
    for (var next :
        List.of(
            "AZURE_OPENAI_ENDPOINT",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "MISTRAL_API_KEY")) {
      var name = provider(rest).name();
      assertThat(next.toLowerCase(Locale.ROOT)).startsWith(name);
      rest.remove(next);
    }
    assertThat(provider(rest).name()).isEqualTo("ollama");
  }

  @Test
  void offersEveryProviderWhoseSettingsAreComplete() {
    var environment =
        Map.of(
            "LLM_PROVIDER", "anthropic",
            "ANTHROPIC_API_KEY", "sk-1",
            "OPENAI_API_KEY", "sk-2",
            "AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com");

    try (var providers = resolved(environment)) {
      assertThat(providers.primary().name()).isEqualTo("anthropic");
      assertThat(providers.names()).containsExactly("anthropic", "openai");
      assertThat(providers.fallbacks()).isEmpty();
    }
    try (var alone = resolved(Map.of("LLM_PROVIDER", "echo"))) {
      assertThat(alone.names()).containsExactly("echo");
    }
    try (var compatible =
        resolved(Map.of("LLM_PROVIDER", "echo", "OPENAI_BASE_URL", "http://localhost:11434/v1"))) {
      assertThat(compatible.names()).containsExactly("echo", "openai_compatible");
    }
  }

  @Test
  void offersOneOfTheTwoThatShareTheirSettings() {
    var environment =
        Map.of(
            "LLM_PROVIDER", "openai",
            "OPENAI_API_KEY", "sk-1",
            "OPENAI_BASE_URL", "https://gateway.example/v1");

    try (var providers = resolved(environment)) {
      assertThat(providers.names()).containsExactly("openai");
    }
  }

  @Test
  void readsFallbacksInTheirOrder() {
    var environment =
        Map.of(
            "LLM_FALLBACKS", " Anthropic:claude-opus-5-5, openai:ft:gpt-6.1:mine::1 ,openai,echo",
            "ANTHROPIC_API_KEY", "sk-1",
            "OPENAI_API_KEY", "sk-2");

    try (var providers = resolved(environment)) {
      assertThat(providers.primary().name()).isEqualTo("anthropic");
      assertThat(providers.fallbacks())
          .extracting(ModelTarget::toString)
          .containsExactly(
              "anthropic:claude-opus-5-5",
              "openai:ft:gpt-6.1:mine::1",
              "openai:gpt-6.1-sol",
              "echo:echo-no-model");
      assertThat(providers.names()).containsExactly("anthropic", "echo", "openai");
      assertThat(providers.fallbacks().getFirst().provider()).isSameAs(providers.primary());
    }
  }

  @Test
  void asksAFallbackAsItIsNamed() {
    var environment =
        Map.of(
            "LLM_FALLBACKS", "openai",
            "ANTHROPIC_API_KEY", "sk-1",
            "OPENAI_BASE_URL", "https://gateway.example/v1");

    try (var providers = resolved(environment)) {
      assertThat(providers.names()).containsExactly("anthropic", "openai");
    }
  }

  @Test
  void saysWhatAFallbackLacksBesideEveryOtherProblem() {
    var environment =
        Map.of(
            "LLM_PROVIDER", "openai",
            "LLM_FALLBACKS", "anthropic:claude-opus-5-5,oracle,openai_compatible,azure_openai");

    assertThat(problems(environment))
        .hasSize(6)
        .anyMatch(problem -> problem.startsWith("no key for OpenAI: set OPENAI_API_KEY"))
        .anyMatch(
            problem -> problem.startsWith("LLM_FALLBACKS has anthropic: no key for Anthropic: set"))
        .anyMatch(problem ->
            problem.startsWith("LLM_FALLBACKS has a provider that there is not: they are"))
        .anyMatch(problem -> problem.startsWith("LLM_FALLBACKS has openai and openai_compatible"))
        .anyMatch(problem -> problem.startsWith("LLM_FALLBACKS has azure_openai: no endpoint"))
        .anyMatch(problem -> problem.startsWith("LLM_FALLBACKS has azure_openai: no deployment"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"anthropic:", ":m", "anthropic,,openai", ","})
  void refusesFallbacksThatNameNothing(String fallbacks) {
    assertThat(problems(Map.of("LLM_PROVIDER", "echo", "LLM_FALLBACKS", fallbacks)))
        .singleElement()
        .asString()
        .startsWith("LLM_FALLBACKS must be provider:model or a provider");
  }

  @Test
  void readsAKeyFromAFile(@TempDir Path directory) throws IOException {
    var file = Files.writeString(directory.resolve("key"), "sk-1\n");

    assertThat(provider(Map.of("OPENAI_API_KEY_FILE", file.toString())))
        .isEqualTo(openAi("gpt-6.1-sol"));
  }

  @Test
  void namesTheVariableWhenNothingIsSet() {
    assertThat(problems(Map.of()))
        .containsExactly(
            "no key for OpenAI: set OPENAI_API_KEY (or OPENAI_API_KEY_FILE), or choose another"
                + " provider with LLM_PROVIDER; LLM_PROVIDER=echo answers without any model");
  }

  @Test
  void listsTheProvidersWhenTheNamedOneIsUnknown() {
    assertThat(problems(Map.of("LLM_PROVIDER", "oracle")))
        .containsExactly(
            "LLM_PROVIDER must be one of: azure_openai, anthropic, openai, openai_compatible,"
                + " gemini, mistral, ollama, echo");
  }

  @Test
  void reportsEveryProblemAtOnceAndNoValue() {
    var environment =
        Map.of(
            "LLM_PROVIDER", "azure_openai",
            "AZURE_OPENAI_ENDPOINT", "mine.example:private",
            "AZURE_OPENAI_KEY", "one private key",
            "LLM_IDLE_TIMEOUT", "private",
            "LLM_CONNECT_TIMEOUT", "0s",
            "LLM_MAX_RESPONSE_BYTES", "-1",
            "HTTPS_PROXY", "http://user:private@proxy.example");

    assertThat(problems(environment))
        .hasSize(7)
        .noneMatch(problem -> problem.contains("private"))
        .anyMatch(problem -> problem.startsWith("LLM_CONNECT_TIMEOUT must be longer than zero"))
        .anyMatch(problem -> problem.startsWith("LLM_IDLE_TIMEOUT must be a duration"))
        .anyMatch(problem -> problem.startsWith("LLM_MAX_RESPONSE_BYTES must be a whole number"))
        .anyMatch(problem -> problem.startsWith("HTTPS_PROXY is no proxy that can be used"))
        .anyMatch(problem -> problem.startsWith("AZURE_OPENAI_ENDPOINT is no address of an API"))
        .anyMatch(problem -> problem.startsWith("AZURE_OPENAI_KEY holds blanks"))
        .anyMatch(problem -> problem.startsWith("no deployment for Azure OpenAI"));
  }

  @Test
  void refusesTwoDifferentKeys() {
    assertThat(
            problems(
                Map.of(
                    "AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com",
                    "AZURE_OPENAI_API_KEY", "sk-1",
                    "AZURE_OPENAI_KEY", "sk-2",
                    "AZURE_OPENAI_DEPLOYMENT", "chat")))
        .containsExactly("AZURE_OPENAI_API_KEY and AZURE_OPENAI_KEY differ: set one of them");
  }

  @Test
  void refusesAKeyFileThatCannotBeRead(@TempDir Path directory) {
    assertThat(problems(Map.of("ANTHROPIC_API_KEY_FILE", directory.resolve("none").toString())))
        .contains(
            "ANTHROPIC_API_KEY_FILE names a file that cannot be read or is empty: it should hold the"
                + " secret alone");
  }

  @Test
  void hasTheRerankerBesideTheProviders() {
    var variables =
        with(Map.of("LLM_PROVIDER", "echo"), "PGOFFLOAD_RERANK_URL", "http://rank:1/rerank");
    try (var providers = resolved(with(variables, "PGOFFLOAD_RERANK_MODEL", "m"))) {
      assertThat(providers.reranker())
          .hasValueSatisfying(reranker -> {
            assertThat(reranker.name()).isEqualTo("reranker");
            assertThat(reranker.defaultModel()).isEqualTo("m");
          });
      assertThat(providers.find("reranker")).isEmpty();
    }
    try (var providers = resolved(Map.of("LLM_PROVIDER", "echo"))) {
      assertThat(providers.reranker()).isEmpty();
    }
    assertThat(problems(with(variables, "LLM_PROVIDER", "nobody"))).hasSize(2);
  }

  @Test
  void tellsWhetherTheChoiceIsLeftOpen() {
    assertThat(ResolveProvider.isLeftOpen(Map.of("OPENAI_API_KEY", ""))).isTrue();
    assertThat(ResolveProvider.isLeftOpen(Map.of("OPENAI_API_KEY_FILE", "key"))).isFalse();
    assertThat(ResolveProvider.isLeftOpen(Map.of("LLM_PROVIDER", "openai"))).isFalse();
    assertThat(ResolveProvider.isLeftOpen(Map.of("GOOGLE_API_KEY", "sk-1"))).isFalse();
    assertThat(ResolveProvider.isLeftOpen(Map.of("OLLAMA_HOST", "localhost"))).isTrue();
  }

  @Test
  void showsNoKey() {
    assertThat(openAi("m").toString()).doesNotContain("sk-1").contains("[redacted]");
  }

  private static OpenAiProvider openAi(String model) {
    return new OpenAiProvider(
        "openai",
        BaseUrl.of("https://api.openai.com/v1"),
        OpenAiProvider.Api.RESPONSES,
        KEY,
        model,
        "text-embedding-3-small",
        HTTP);
  }

  private static Map<String, String> with(Map<String, String> map, String name, String value) {
    var copy = new HashMap<>(map);
    copy.put(name, value);
    return copy;
  }

  private static LlmProvider provider(Map<String, String> environment) {
    var variables = new ReadEnvironment(environment);
    var provider = ResolveProvider.choose(variables, HTTP);
    assertThat(variables.problems()).isEmpty();
    return Objects.requireNonNull(provider);
  }

  private static LlmProviders resolved(Map<String, String> environment) {
    return switch (ResolveProvider.from(environment, InstantSource.system())) {
      case ProviderResolution.Resolved(var providers) -> providers;
      case ProviderResolution.Unresolved(var problems) -> throw new AssertionError(problems);
    };
  }

  private static List<String> problems(Map<String, String> environment) {
    return switch (ResolveProvider.from(environment, InstantSource.system())) {
      case ProviderResolution.Resolved(var providers) ->
          throw new AssertionError("resolved to " + providers.names());
      case ProviderResolution.Unresolved(var problems) -> problems;
    };
  }
}
