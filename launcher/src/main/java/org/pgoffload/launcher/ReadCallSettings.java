package org.pgoffload.launcher;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Settings;
import org.pgoffload.worker.llm.calls.CallLimits;
import org.pgoffload.worker.llm.calls.CallSettings;

/// Reads how a worker makes its calls to models. Problems are left with the settings.
final class ReadCallSettings {
  /// `openai:gpt-6.1-sol requests=500 tokens=200000 concurrency=50`, several separated by
  /// semicolons.
  private static final Pattern TARGET = Pattern.compile("[a-z_]+:\\S+");

  private static final Pattern LIMIT =
      Pattern.compile("(requests|tokens|concurrency)=([1-9]\\d{0,8})");

  private ReadCallSettings() {}

  static CallSettings from(Settings settings) {
    var usual = CallSettings.DEFAULTS;
    var firstBackoff = settings.duration("LLM_RETRY_WAIT", usual.firstBackoff());
    var maxBackoff = settings.duration("LLM_MAX_RETRY_WAIT", usual.maxBackoff());
    var callTimeout = settings.duration("LLM_CALL_TIMEOUT", usual.callTimeout());
    if (firstBackoff.isZero() || maxBackoff.compareTo(firstBackoff) < 0) {
      settings.problem("LLM_RETRY_WAIT must be longer than zero and at most LLM_MAX_RETRY_WAIT");
      return usual;
    }
    if (callTimeout.isZero()) {
      settings.problem("LLM_CALL_TIMEOUT must be longer than zero");
      return usual;
    }
    return new CallSettings(
        settings.integer("LLM_MAX_TRIES", usual.maxTries(), 1, 1000),
        firstBackoff,
        maxBackoff,
        callTimeout,
        settings.duration("LLM_EMBED_LINGER", usual.embedLinger()),
        new CallLimits(
            limit(settings, "LLM_MAX_CONCURRENCY"),
            limit(settings, "LLM_REQUESTS_PER_MINUTE"),
            limit(settings, "LLM_TOKENS_PER_MINUTE")),
        limitsOf(settings));
  }

  private static @Nullable Integer limit(Settings settings, String name) {
    int limit = settings.integer(name, 0, 1, 1_000_000_000);
    return limit == 0 ? null : (Integer) limit;
  }

  private static Map<String, CallLimits> limitsOf(Settings settings) {
    var limits = new HashMap<String, CallLimits>();
    for (var entry : settings.text("LLM_LIMITS", "").split(";", -1)) {
      var words = entry.strip().split("\\s+", -1);
      if (words[0].isEmpty()) {
        continue;
      }
      var numbers = new HashMap<String, Integer>();
      boolean understood = words.length > 1 && TARGET.matcher(words[0]).matches();
      for (int i = 1; i < words.length; i++) {
        var limit = LIMIT.matcher(words[i].toLowerCase(Locale.ROOT));
        understood &= limit.matches();
        if (limit.matches()) {
          numbers.put(limit.group(1), Integer.valueOf(limit.group(2)));
        }
      }
      if (!understood) {
        settings.problem(
            "LLM_LIMITS has an entry that is not understood: '"
                + entry.strip()
                + "'; write each as provider:model requests=500 tokens=200000 concurrency=50,"
                + " separated by semicolons; requests and tokens are per minute");
        continue;
      }
      limits.put(
          words[0],
          new CallLimits(
              numbers.get("concurrency"), numbers.get("requests"), numbers.get("tokens")));
    }
    return limits;
  }
}
