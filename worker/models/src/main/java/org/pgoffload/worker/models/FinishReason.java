package org.pgoffload.worker.models;

import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Why the model stopped writing: `stop`, `length`, `content_filter`, `refusal` and `error` are the
/// same words for every vendor, a reason that only one vendor has keeps the vendor's word.
///
/// @param word the stable word in results, in lower case
public record FinishReason(String word) {
  // Ahead of the reasons, whose constructor needs it.
  private static final Pattern WORD = Pattern.compile("[a-z][a-z0-9_.-]{0,62}");

  /// The model was done, or met a stop sequence.
  public static final FinishReason STOP = new FinishReason("stop");

  /// The answer is cut short by `max_output_tokens` or the context window.
  public static final FinishReason LENGTH = new FinishReason("length");

  /// A filter stopped the answer.
  public static final FinishReason CONTENT_FILTER = new FinishReason("content_filter");

  /// The model declined.
  public static final FinishReason REFUSAL = new FinishReason("refusal");

  /// The model failed while it wrote.
  public static final FinishReason ERROR = new FinishReason("error");

  /// The vendor does not say why, or not in a word.
  public static final FinishReason OTHER = new FinishReason("other");

  public FinishReason {
    if (!WORD.matcher(word).matches()) {
      throw new IllegalArgumentException("a finish reason is one word in lower case");
    }
  }

  /// Reads a vendor's word; one table for all vendors, as gateways pass on the words of others.
  public static FinishReason of(@Nullable String vendorsWord) {
    var word = vendorsWord == null ? "" : vendorsWord.strip().toLowerCase(Locale.ROOT);
    return switch (word) {
      case "stop", "end_turn", "stop_sequence", "completed", "eos", "eos_token" -> STOP;
      case "length",
          "max_tokens",
          "max_output_tokens",
          "model_length",
          "model_context_window_exceeded" ->
          LENGTH;
      case "content_filter",
          "content_filtered",
          "safety",
          "recitation",
          "blocklist",
          "prohibited_content",
          "spii",
          "model_armor",
          "image_safety",
          "image_prohibited_content",
          "image_recitation",
          "guardrail_intervened" ->
          CONTENT_FILTER;
      case "refusal" -> REFUSAL;
      case "error" -> ERROR;
      default -> WORD.matcher(word).matches() ? new FinishReason(word) : OTHER;
    };
  }
}
