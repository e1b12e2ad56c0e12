package org.pgoffload.worker.vendors.http;

import static java.util.stream.Collectors.joining;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Text;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.RankedDocument;
import org.pgoffload.worker.models.RateLimit;
import org.pgoffload.worker.models.Usage;

/// One reply of a vendor beside the call that it belongs to, and the ways to conclude from it.
///
/// @param provider the name of the provider that asked
/// @param model as the vendor reported it, else as it was asked for
/// @param status of the reply
/// @param headers of the reply
/// @param receivedAt to which dates in the headers are relative
/// @param body its JSON; of a streamed one the events folded
/// @param requestId the vendor's id of the call, or null
/// @param words makes the vendor's words fit for an error
public record VendorReply(
    String provider,
    String model,
    int status,
    HttpHeaders headers,
    Instant receivedAt,
    JsonNode body,
    @Nullable String requestId,
    RedactWords words) {
  /// As usage has them; what is longer is no name.
  private static final int LONGEST_NAME = 250;

  public VendorReply {
    model = Text.begin(model, LONGEST_NAME);
    requestId = requestId == null ? null : Text.begin(requestId, LONGEST_NAME);
  }

  /// The model stopped, and wrote this. Whether that is an answer says the reason.
  ///
  /// @param stopped the vendor's word for why, or null
  /// @param why the vendor's words on it, or null
  public LlmOutcome finished(
      String text, @Nullable String stopped, @Nullable String why, Usage usage) {
    var reason = FinishReason.of(stopped);
    var told = told(reason.word().equals(stopped) ? null : stopped, why);
    if (reason.equals(FinishReason.CONTENT_FILTER)) {
      return declined(LlmErrorCode.CONTENT_FILTER, told, usage);
    }
    if (reason.equals(FinishReason.REFUSAL)) {
      return declined(LlmErrorCode.REFUSAL, why, usage);
    }
    if (reason.equals(FinishReason.ERROR)) {
      var words = why == null ? "the model stopped by an error" : why;
      return failed(LlmErrorCode.PROVIDER_ERROR, words, reason, usage);
    }
    if (text.isEmpty()) {
      return failed(LlmErrorCode.EMPTY_ANSWER, withoutWords(reason, stopped, why), reason, usage);
    }
    return new LlmOutcome.Answered(
        text, reason, new Origin(provider, model, requestId), usage, limits());
  }

  private static String withoutWords(
      FinishReason reason, @Nullable String stopped, @Nullable String why) {
    var told = told(stopped, why);
    if (reason.equals(FinishReason.LENGTH)) {
      return "the model used all its output tokens before it wrote a word: raise"
          + " max_output_tokens";
    }
    return reason.equals(FinishReason.STOP)
        ? "the model finished without a word"
        : "the model stopped without a word" + (told.isBlank() ? "" : ": " + told);
  }

  private static String told(@Nullable String stopped, @Nullable String why) {
    return Stream.of(stopped, why)
        .filter(Objects::nonNull)
        .filter(words -> !words.isBlank())
        .collect(joining(": "));
  }

  /// The model, or the filter before or behind it, declined; these are its words, if it has any.
  public LlmOutcome declined(LlmErrorCode code, @Nullable String vendorWords, Usage usage) {
    var refused = code == LlmErrorCode.REFUSAL;
    var plain =
        refused ? "the model declined to answer" : "the vendor's content filter stopped the answer";
    return failed(
        code,
        vendorWords == null || vendorWords.isBlank() ? plain : plain + ": " + vendorWords,
        refused ? FinishReason.REFUSAL : FinishReason.CONTENT_FILTER,
        usage);
  }

  /// The failure that the body tells of though the status is 200; null if it tells of none. To be
  /// looked at before anything else.
  public @Nullable LlmOutcome failure(Usage usage) {
    return VendorError.isIn(body) ? vendorFailed(VendorError.read(body), usage) : null;
  }

  /// The vendor says that it failed.
  public LlmOutcome vendorFailed(VendorError error, Usage usage) {
    var code = error.classify(status);
    var told = new StringBuilder("HTTP ").append(status);
    if (!error.codes().isEmpty()) {
      told.append(" (").append(error.codes().getFirst()).append(')');
    }
    var hint =
        switch (code) {
          case ENDPOINT_NOT_FOUND -> "; check the base URL, and that the server speaks this API";
          case UNEXPECTED_REDIRECT -> "; redirects are not followed, check the base URL";
          default -> "";
        };
    var message = error.message().isBlank() ? "" : ": " + error.message();
    return failed(code, "answered " + told + hint + message, null, usage);
  }

  /// The reply is not what the vendor documents.
  public LlmOutcome malformed(String what) {
    return malformed(what, Usage.NONE);
  }

  /// The same of a reply that counts tokens nevertheless.
  public LlmOutcome malformed(String what, Usage usage) {
    return failed(LlmErrorCode.MALFORMED_RESPONSE, what, null, usage);
  }

  /// The reply began and did not come to its end.
  public LlmOutcome broken(LlmErrorCode code, String why) {
    return failed(code, why, null, Usage.NONE);
  }

  /// The texts were embedded as the body's `embeddings` say, in the order of the texts.
  ///
  /// @param numbers finds the numbers of one of them
  public LlmOutcome embedded(UnaryOperator<JsonNode> numbers, int inputs, Usage usage) {
    var vectors = new ArrayList<float[]>();
    for (var embedding : body.path("embeddings")) {
      var vector = Json.floats(numbers.apply(embedding));
      if (vector == null) {
        return malformed("the reply has an embedding that cannot be read", usage);
      }
      vectors.add(vector);
    }
    return embedded(vectors, inputs, usage);
  }

  /// The texts were embedded so.
  public LlmOutcome embedded(List<float[]> vectors, int inputs, Usage usage) {
    if (vectors.size() != inputs || vectors.isEmpty()) {
      return malformed(
          "%d texts were embedded as %d vectors".formatted(inputs, vectors.size()), usage);
    }
    var dimensions = vectors.getFirst().length;
    if (dimensions == 0 || vectors.stream().anyMatch(vector -> vector.length != dimensions)) {
      return malformed("the vectors are not all of one length", usage);
    }
    for (var at = 0; at < inputs; at++) {
      for (var number : vectors.get(at)) {
        if (!Float.isFinite(number)) {
          return malformed(
              "vector %d of %d has a number that is infinite, too large for 32 bits, or none"
                  .formatted(at + 1, inputs),
              usage);
        }
      }
    }
    return new LlmOutcome.Embedded(
        vectors, new Origin(provider, model, requestId), usage, limits());
  }

  /// The documents were ranked so, in any order.
  ///
  /// @param documents how many there are
  /// @param most how many are wanted; servers may rank more
  public LlmOutcome reranked(List<RankedDocument> ranks, int documents, int most, Usage usage) {
    var indexes = ranks.stream().map(RankedDocument::index).distinct().toList();
    if (indexes.size() != ranks.size() || indexes.stream().anyMatch(at -> at >= documents)) {
      return malformed("a document is ranked twice, or one that was not sent", usage);
    }
    if (ranks.size() < most) {
      return malformed("of %d documents %d were ranked".formatted(most, ranks.size()), usage);
    }
    var best =
        ranks.stream()
            .sorted(
                Comparator.comparingDouble(RankedDocument::score)
                    .reversed()
                    .thenComparingInt(RankedDocument::index))
            .limit(most)
            .toList();
    return new LlmOutcome.Reranked(best, new Origin(provider, model, requestId), usage, limits());
  }

  private List<RateLimit> limits() {
    return ReadRateLimits.from(headers, receivedAt);
  }

  private LlmOutcome failed(
      LlmErrorCode code, String message, @Nullable FinishReason reason, Usage usage) {
    Duration wait = RetryAfter.of(headers, receivedAt).or(() -> RetryAfter.of(body)).orElse(null);
    return new LlmOutcome.Failed(
        new LlmError(
            code, provider + ": " + words.redact(message), status, wait, requestId, reason),
        model,
        usage,
        limits());
  }
}
