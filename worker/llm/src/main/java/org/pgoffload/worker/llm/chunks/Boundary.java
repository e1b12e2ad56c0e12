package org.pgoffload.worker.llm.chunks;

import java.text.BreakIterator;
import java.text.StringCharacterIterator;
import java.util.Locale;
import java.util.regex.Pattern;

/// Where a text may be cut, the best place first. Sentences, lines and characters are those of the
/// JDK's own analysis, which knows all scripts.
enum Boundary {
  /// Behind a blank line.
  PARAGRAPH {
    @Override
    Cuts within(String text, int from, int to) {
      return matches(BLANK_LINE, text, from, to);
    }
  },
  LINE {
    @Override
    Cuts within(String text, int from, int to) {
      return matches(LINE_END, text, from, to);
    }
  },
  SENTENCE {
    @Override
    Cuts within(String text, int from, int to) {
      return breaks(BreakIterator.getSentenceInstance(Locale.ROOT), text, from, to);
    }
  },
  /// Where a line may be wrapped: behind a word and its punctuation, or behind an ideograph.
  WORD {
    @Override
    Cuts within(String text, int from, int to) {
      return breaks(BreakIterator.getLineInstance(Locale.ROOT), text, from, to);
    }
  },
  /// Some characters of what has no words. Many, because each piece is counted by itself, which
  /// counts too much.
  PIECE {
    @Override
    Cuts within(String text, int from, int to) {
      var characters = CHARACTER.within(text, from, to);
      return at -> {
        int end = at;
        while (end < to && end - at < PIECE_LENGTH) {
          end = characters.next(end);
        }
        return end;
      };
    }
  },
  /// What a reader sees as one character.
  CHARACTER {
    @Override
    Cuts within(String text, int from, int to) {
      return breaks(BreakIterator.getCharacterInstance(Locale.ROOT), text, from, to);
    }
  },
  CODE_POINT {
    @Override
    Cuts within(String text, int from, int to) {
      return at -> at + Character.charCount(text.codePointAt(at));
    }
  };

  private static final Pattern BLANK_LINE = Pattern.compile("\\R\\s*\\R");
  private static final Pattern LINE_END = Pattern.compile("\\R");
  private static final int PIECE_LENGTH = 16;

  /// The places in a part of a text, from its beginning on.
  @FunctionalInterface
  interface Cuts {
    /// The next place, or the end of the part.
    ///
    /// @param at the last one
    int next(int at);
  }

  abstract Cuts within(String text, int from, int to);

  private static Cuts matches(Pattern pattern, String text, int from, int to) {
    var matcher = pattern.matcher(text).region(from, to);
    return _ -> matcher.find() ? matcher.end() : to;
  }

  private static Cuts breaks(BreakIterator breaks, String text, int from, int to) {
    breaks.setText(new StringCharacterIterator(text, from, to, from));
    return _ -> {
      int next = breaks.next();
      return next == BreakIterator.DONE ? to : next;
    };
  }
}
