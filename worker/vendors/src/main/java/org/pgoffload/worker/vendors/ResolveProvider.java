package org.pgoffload.worker.vendors;

import java.time.InstantSource;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.ReadHttpSettings;
import org.pgoffload.worker.vendors.rerank.RerankProvider;

/// Chooses the providers from the environment. The primary: `LLM_PROVIDER` wins; else Azure OpenAI
/// if `AZURE_OPENAI_ENDPOINT` is set, then Anthropic if `ANTHROPIC_API_KEY` is, then OpenAI by
/// `OPENAI_API_KEY` or the address of a compatible server, then Gemini and Mistral by their keys,
/// and Ollama by its address and model. Every other provider whose own settings are complete can be
/// asked too, by its name; `echo` only if it is the primary or a fallback, since nothing but its
/// name asks for it. Documents are ranked by the reranker at `PGOFFLOAD_RERANK_URL`, if that is
/// set, beside them. `docs/configuration.md` has every variable. Contacts nobody; reads the files
/// that `*_KEY_FILE` name.
public final class ResolveProvider {

  /// `OPENAI_*` configures both, so a worker has one of them.
  private static final Set<KnownProvider> ONE_OF =
      EnumSet.of(KnownProvider.OPENAI, KnownProvider.OPENAI_COMPATIBLE);

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
      for (var known : KnownProvider.values()) {
        addIfComplete(known, named, variables, http);
      }
    }
    var reranker = RerankProvider.from(variables, http);
    if (reranker == null && named.values().stream().noneMatch(HttpProvider.class::isInstance)) {
      http.close();
    }
    if (primary == null || !variables.problems().isEmpty()) {
      named.values().forEach(LlmProvider::close);
      if (reranker != null) {
        reranker.close();
      }
      return new ProviderResolution.Unresolved(variables.problems());
    }
    return new ProviderResolution.Resolved(
        new LlmProviders(
            primary,
            List.copyOf(named.values()),
            ReadFallbacks.targets(fallbacks, named),
            reranker));
  }

  /// Whether the environment says nothing of any provider: where `demo` and `dev` take `echo`, and
  /// announce it.
  public static boolean isLeftOpen(Map<String, String> environment) {
    var variables = new ReadEnvironment(environment);
    return !variables.has("LLM_PROVIDER")
        && !variables.has(ReadFallbacks.VARIABLE)
        && Arrays.stream(KnownProvider.values()).noneMatch(known -> known.isConfigured(variables));
  }

  /// The primary, its problems left with the variables; null if the choice itself is one.
  static @Nullable LlmProvider choose(ReadEnvironment variables, PostJson http) {
    var asked = variables.text("LLM_PROVIDER");
    if (asked == null) {
      return Arrays.stream(KnownProvider.values())
          .filter(known -> known.isConfigured(variables))
          .findFirst()
          // its problem then says what to set
          .orElse(KnownProvider.OPENAI)
          .read(variables, false, http);
    }
    var named = KnownProvider.of(asked.toLowerCase(Locale.ROOT));
    if (named.isEmpty()) {
      variables.problem("LLM_PROVIDER must be one of: " + KnownProvider.words());
      return null;
    }
    return named.get().read(variables, true, http);
  }

  /// A fallback has to be configured as if it were the primary.
  private static void addFallback(
      String name, Map<String, LlmProvider> named, ReadEnvironment variables, PostJson http) {
    if (named.containsKey(name)) {
      return;
    }
    var known = KnownProvider.of(name);
    if (known.isEmpty()) {
      variables.problem(
          ReadFallbacks.VARIABLE
              + " has a provider that there is not: they are "
              + KnownProvider.words());
    } else if (isTaken(known.get(), named)) {
      variables.problem(
          ReadFallbacks.VARIABLE
              + " has openai and openai_compatible beside each other: OPENAI_BASE_URL and its like"
              + " configure one of the two");
    } else {
      var own = variables.anew();
      var provider = known.get().read(own, true, http);
      own.problems()
          .forEach(problem ->
              variables.problem(ReadFallbacks.VARIABLE + " has " + name + ": " + problem));
      if (provider != null) {
        named.put(name, provider);
      }
    }
  }

  private static void addIfComplete(
      KnownProvider known,
      Map<String, LlmProvider> named,
      ReadEnvironment variables,
      PostJson http) {
    if (named.containsKey(known.word()) || isTaken(known, named) || known == KnownProvider.ECHO) {
      return;
    }
    // a provider that the user has not named may be incomplete
    var own = variables.anew();
    var provider = known.read(own, false, http);
    if (provider != null && own.problems().isEmpty()) {
      named.put(provider.name(), provider);
    }
  }

  private static boolean isTaken(KnownProvider known, Map<String, LlmProvider> named) {
    return ONE_OF.contains(known) && ONE_OF.stream().anyMatch(one -> named.containsKey(one.word()));
  }
}
