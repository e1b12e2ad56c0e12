package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.regex.Pattern;

/// The usage of one model by one role in one minute, as it stands on the usage topic and in its
/// table: the JSON's field names are the table's column names. The JSON is flat. The JSON schema is
/// `llm-usage.v1.schema.json`; the record's key is [#recordKey()].
///
/// The counts are of the whole minute, not only of new requests: each record of a key replaces the
/// one before. Counts only grow.
///
/// A request counts for the provider and model that its result names. A call counts for the
/// provider and model that were called, which may be others. Both count in the minute in which the
/// request ended.
///
/// @param version major version of the message
@JsonDeserialize(builder = FlatUsage.class)
public record LlmUsage(
    @JsonProperty("version") int version,
    @JsonUnwrapped Scope scope,
    @JsonUnwrapped Counts counts,
    @JsonUnwrapped TokenCounts tokens) {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  private static final Pattern MINUTE =
      Pattern.compile("[+-]?\\d{4,}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:00Z");

  private static final String USUAL = "dddd-dd-ddTdd:dd:00Z";

  /// The role, the minute and the model whose usage it is.
  ///
  /// @param minute the beginning of the minute in which the requests ended, ISO-8601 in UTC
  /// @param requestedByOid the oid of the requester's role, which decides who may read the usage
  /// @param requestedBy the role's newest known name
  /// @param provider the provider that answered or was called; empty if a request reached none
  /// @param model the model, as its provider names it; empty if a request reached none
  public record Scope(
      @JsonProperty("minute") String minute,
      @JsonProperty("requested_by_oid") long requestedByOid,
      @JsonProperty("requested_by") String requestedBy,
      @JsonProperty("provider") String provider,
      @JsonProperty("model") String model) {
    public Scope {
      Require.that(
          isUsualMinute(minute) || MINUTE.matcher(minute).matches(),
          "the minute of usage is not the beginning of one");
      Require.that(Require.isOid(requestedByOid), "the requested_by_oid of usage is no oid");
      requestedBy = Text.storable(requestedBy);
      provider = Text.storable(provider);
      model = Text.storable(model);
    }

    /// By hand, because a result makes several: a year of four digits.
    private static boolean isUsualMinute(String minute) {
      if (minute.length() != USUAL.length()) {
        return false;
      }
      for (int i = 0; i < USUAL.length(); i++) {
        char wanted = USUAL.charAt(i);
        char found = minute.charAt(i);
        if (wanted == 'd' ? found < '0' || found > '9' : found != wanted) {
          return false;
        }
      }
      return true;
    }
  }

  /// The numbers of requests and calls.
  ///
  /// @param requests requests that ended
  /// @param failed requests that did not succeed
  /// @param cached requests that were answered from the cache
  /// @param calls calls that were made, also for attempts whose result was not the first
  /// @param failedCalls calls without an answer
  public record Counts(
      @JsonProperty("requests") long requests,
      @JsonProperty("failed") long failed,
      @JsonProperty("cached") long cached,
      @JsonProperty("calls") long calls,
      @JsonProperty("failed_calls") long failedCalls) {
    /// The sums. A sum that no 64 bits hold stays at the largest number.
    Counts plus(Counts more) {
      return new Counts(
          TokenCounts.sum(requests, more.requests),
          TokenCounts.sum(failed, more.failed),
          TokenCounts.sum(cached, more.cached),
          TokenCounts.sum(calls, more.calls),
          TokenCounts.sum(failedCalls, more.failedCalls));
    }
  }

  public LlmUsage {
    Require.that(version == VERSION, "the version of usage is not 1");
    // the sign of any of them
    Require.that(
        (counts.requests
                | counts.failed
                | counts.cached
                | counts.calls
                | counts.failedCalls
                | tokens.input()
                | tokens.cached()
                | tokens.output()
                | tokens.reasoning())
            >= 0,
        "a count of usage is negative");
  }

  /// The minute of a time, as [Scope#minute()] has it.
  public static String minuteOf(Instant time) {
    return time.truncatedTo(ChronoUnit.MINUTES).toString();
  }

  /// The record's key: the JSON of the minute, the role's oid, the provider and the model, in this
  /// order and without spaces, so that equal keys are equal bytes.
  public String recordKey() {
    var escape = JsonStringEncoder.getInstance();
    return "{\"minute\":\""
        + scope.minute
        + "\",\"requested_by_oid\":"
        + scope.requestedByOid
        + ",\"provider\":\""
        + String.valueOf(escape.quoteAsString(scope.provider))
        + "\",\"model\":\""
        + String.valueOf(escape.quoteAsString(scope.model))
        + "\"}";
  }

  /// The sum of both, under the later name of the role. A count that no 64 bits hold stays at the
  /// largest number.
  ///
  /// @param later usage under the same key
  public LlmUsage plus(LlmUsage later) {
    var renamed =
        new Scope(
            scope.minute,
            scope.requestedByOid,
            later.scope.requestedBy,
            scope.provider,
            scope.model);
    return new LlmUsage(VERSION, renamed, counts.plus(later.counts), tokens.plus(later.tokens));
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
