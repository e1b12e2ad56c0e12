package org.pgoffload.worker.llm.chunks;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;

/// Counts tokens as the embedding models of OpenAI do (`cl100k_base`); those of others count some
/// more or less.
final class CountTokens {
  /// The time that it takes grows faster than a word without an end. A longer text is counted in
  /// slices: a slice that ends within a word may add a token.
  private static final int SLICE = 2_000;

  private CountTokens() {}

  /// Read when the first text is split, which takes a second: most workers split none.
  private static final class Lazy {
    private static final Encoding ENCODING =
        Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.CL100K_BASE);
  }

  /// In time that is linear in the length.
  static int of(String text, int from, int to) {
    int tokens = 0;
    int at = from;
    while (at < to) {
      int end = end(text, at, to);
      tokens += Lazy.ENCODING.countTokensOrdinary(text.substring(at, end));
      at = end;
    }
    return tokens;
  }

  private static int end(String text, int at, int to) {
    if (to - at <= SLICE) {
      return to;
    }
    int longest = at + SLICE;
    // a token begins with a space, and never goes on behind one
    for (int end = longest; end > at + SLICE / 2; end--) {
      if (text.charAt(end) == ' ' && text.charAt(end - 1) != ' ') {
        return end;
      }
    }
    return Character.isLowSurrogate(text.charAt(longest)) ? longest - 1 : longest;
  }
}
