package org.pgoffload.results;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.Text;
import org.pgoffload.protocol.TokenCounts;

/// The usage that one result adds: the request itself for the provider and model that answered,
/// each of its calls for the provider and model that were called, all in the minute in which the
/// request ended.
final class UsageOf {
  /// A model's name may be whatever a caller wrote, and the table's key takes 2,700 bytes.
  private static final int LONGEST_NAME = 250;

  private UsageOf() {}

  /// The parts, one of each key.
  ///
  /// @param result one that [ReadRecord] lets pass
  /// @param isFirst whether no other result of the request came before: a request counts once, and
  ///   the calls of each of its attempts
  static Collection<LlmUsage> result(Result result, boolean isFirst) {
    var usage = new LinkedHashMap<LlmUsage.Scope, LlmUsage>();
    var minute = LlmUsage.minuteOf(ReadTime.of(result.finishedAt()));
    if (isFirst) {
      add(usage, request(result, minute));
    }
    for (var call : calls(result)) {
      add(usage, call(result, minute, call));
    }
    return usage.values();
  }

  private static void add(Map<LlmUsage.Scope, LlmUsage> usage, LlmUsage more) {
    usage.merge(more.scope(), more, LlmUsage::plus);
  }

  private static List<Call> calls(Result result) {
    var calls = result.calls();
    if (calls != null) {
      return calls.stream().filter(Objects::nonNull).toList();
    }
    // a worker of an older version does not tell its calls: tokens show that it made one
    var known = result.tokens();
    var tokens =
        new TokenCounts(
            count(known.input()),
            count(known.cached()),
            count(known.output()),
            count(known.reasoning()));
    if (tokens.input() + tokens.output() == 0 || result.cachedFrom() != null) {
      return List.of();
    }
    return List.of(
        new Call(
            name(result.origin().provider()),
            name(result.origin().model()),
            result.finishedAt(),
            0,
            new Call.Reply(result.errorCode(), null, null, null, null),
            tokens));
  }

  private static LlmUsage request(Result result, String minute) {
    return new LlmUsage(
        LlmUsage.VERSION,
        scope(result, minute, result.origin().provider(), result.origin().model()),
        new LlmUsage.Counts(
            1,
            result.status().equals(Result.SUCCEEDED) ? 0 : 1,
            result.cachedFrom() == null ? 0 : 1,
            0,
            0),
        TokenCounts.NONE);
  }

  private static LlmUsage call(Result result, String minute, Call call) {
    var tokens = call.tokens();
    return new LlmUsage(
        LlmUsage.VERSION,
        scope(result, minute, call.provider(), call.model()),
        new LlmUsage.Counts(0, 0, 0, call.count(), call.errorCode() == null ? 0 : call.count()),
        new TokenCounts(
            count(tokens.input()),
            count(tokens.cached()),
            count(tokens.output()),
            count(tokens.reasoning())));
  }

  private static LlmUsage.Scope scope(
      Result result, String minute, @Nullable String provider, @Nullable String model) {
    return new LlmUsage.Scope(
        minute, result.requestedByOid(), result.requestedBy(), name(provider), name(model));
  }

  private static String name(@Nullable String name) {
    return name == null ? "" : Text.begin(name, LONGEST_NAME);
  }

  private static long count(@Nullable Long count) {
    return count == null ? 0 : Math.max(0, count);
  }
}
