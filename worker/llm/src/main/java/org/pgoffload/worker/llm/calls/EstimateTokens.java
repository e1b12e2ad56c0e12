package org.pgoffload.worker.llm.calls;

import java.util.List;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.RerankCall;

/// Guesses how many tokens a call will count, before anybody has counted them: four characters of
/// English are about one token (help.openai.com, "What are tokens and how to count them"). What was
/// guessed wrong is put right when the call has ended.
///
/// An image counts alike for all, whatever its bytes are: vendors count its pixels.
final class EstimateTokens {
  private static final int CHARACTERS_OF_A_TOKEN = 4;

  /// About what vendors count for a photograph of a million pixels, from some hundred (Gemini) to
  /// 1,600 (Anthropic).
  private static final int TOKENS_OF_AN_IMAGE = 1_000;

  /// Where the request sets no limit to its answer.
  private static final int USUAL_ANSWER = 500;

  private EstimateTokens() {}

  static int of(LlmCall call) {
    long characters = call.system() == null ? 0 : call.system().length();
    for (var turn : call.turns()) {
      characters += turn.text().length();
    }
    var limit = call.options().maxOutputTokens();
    var images = (long) TOKENS_OF_AN_IMAGE * call.images().size();
    return clamp(tokens(characters) + images + (limit == null ? USUAL_ANSWER : limit));
  }

  static int of(List<String> inputs) {
    return clamp(tokens(inputs.stream().mapToLong(String::length).sum()));
  }

  /// Of documents that are each read together with the query.
  static int of(RerankCall call) {
    long characters = (long) call.query().length() * call.documents().size();
    for (var document : call.documents()) {
      characters += document.length();
    }
    return clamp(tokens(characters));
  }

  private static long tokens(long characters) {
    return characters / CHARACTERS_OF_A_TOKEN + 1;
  }

  private static int clamp(long tokens) {
    return (int) Math.min(tokens, Integer.MAX_VALUE);
  }
}
