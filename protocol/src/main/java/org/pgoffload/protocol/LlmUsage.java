package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.regex.Pattern;

/// What one role has used of one model of one provider in one minute, as it stands on the usage
/// topic and in its table: the JSON's field names are the table's column names. The JSON schema is
/// `llm-usage.v1.schema.json`; the record's key is [#recordKey()].
///
/// The counts are the whole of that minute, not what is new: each record of a key replaces the one
/// before. They only grow.
///
/// A request counts where its result says that it was answered, a call where it was made, which may
/// be another provider or model, and in the minute in which its request ended.
///
/// @param version major version of the message
/// @param minute the beginning of the minute in which the requests ended, ISO-8601 in UTC
/// @param requestedByOid the oid of the role that asked, which decides who may read it
/// @param requestedBy the role's name, as last heard of
/// @param provider who answered or was called; empty if a request came to none
/// @param model the model, as its provider names it; empty if a request came to none
/// @param requests requests that ended
/// @param failed those of them that did not succeed
/// @param cached those of them that were answered from the cache
/// @param calls calls that were made, also for attempts whose result was not the first
/// @param failedCalls those of them that brought no answer
/// @param inputTokens all input tokens of the calls, cached ones included
/// @param cachedTokens those of them that were read from the provider's cache
/// @param outputTokens all output tokens of the calls, reasoning included
/// @param reasoningTokens those of them that were spent on reasoning
public record LlmUsage(
    @JsonProperty("version") int version,
    @JsonProperty("minute") String minute,
    @JsonProperty("requested_by_oid") long requestedByOid,
    @JsonProperty("requested_by") String requestedBy,
    @JsonProperty("provider") String provider,
    @JsonProperty("model") String model,
    @JsonProperty("requests") long requests,
    @JsonProperty("failed") long failed,
    @JsonProperty("cached") long cached,
    @JsonProperty("calls") long calls,
    @JsonProperty("failed_calls") long failedCalls,
    @JsonProperty("input_tokens") long inputTokens,
    @JsonProperty("cached_tokens") long cachedTokens,
    @JsonProperty("output_tokens") long outputTokens,
    @JsonProperty("reasoning_tokens") long reasoningTokens) {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  private static final Pattern MINUTE =
      Pattern.compile("[+-]?\\d{4,}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:00Z");

  public LlmUsage {
    Require.that(version == VERSION, "the version of usage is not 1");
    Require.that(
        MINUTE.matcher(minute).matches(), "the minute of usage is not the beginning of one");
    Require.that(Require.isOid(requestedByOid), "the requested_by_oid of usage is no oid");
    Require.that(
        Math.min(Math.min(requests, failed), Math.min(cached, calls)) >= 0
            && Math.min(Math.min(failedCalls, inputTokens), cachedTokens) >= 0
            && Math.min(outputTokens, reasoningTokens) >= 0,
        "a count of usage is negative");
    requestedBy = Text.storable(requestedBy);
    provider = Text.storable(provider);
    model = Text.storable(model);
  }

  /// The minute in which something was, as [#minute()] has it.
  public static String minuteOf(Instant time) {
    return time.truncatedTo(ChronoUnit.MINUTES).toString();
  }

  /// What the counts of a record are the whole of.
  private record Grouping(
      @JsonProperty("minute") String minute,
      @JsonProperty("requested_by_oid") long requestedByOid,
      @JsonProperty("provider") String provider,
      @JsonProperty("model") String model) {}

  /// The record's key: the JSON of the minute, the role's oid, the provider and the model, in this
  /// order and without spaces, so that equal ones are equal bytes.
  public String recordKey() {
    return new String(
        Json.write(new Grouping(minute, requestedByOid, provider, model)), StandardCharsets.UTF_8);
  }

  /// The sum of both, under the other's name of the role. A count that no 64 bits hold stays at the
  /// largest.
  ///
  /// @param later usage under the same key
  public LlmUsage plus(LlmUsage later) {
    return new LlmUsage(
        VERSION,
        minute,
        requestedByOid,
        later.requestedBy,
        provider,
        model,
        sum(requests, later.requests),
        sum(failed, later.failed),
        sum(cached, later.cached),
        sum(calls, later.calls),
        sum(failedCalls, later.failedCalls),
        sum(inputTokens, later.inputTokens),
        sum(cachedTokens, later.cachedTokens),
        sum(outputTokens, later.outputTokens),
        sum(reasoningTokens, later.reasoningTokens));
  }

  private static long sum(long one, long other) {
    long sum = one + other;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no usage, or of another major version
  public static LlmUsage read(byte[] bytes) {
    return Json.read(bytes, LlmUsage.class, "not the JSON of usage of version " + VERSION);
  }

  /// The record's value.
  public byte[] write() {
    return Json.write(this);
  }
}
