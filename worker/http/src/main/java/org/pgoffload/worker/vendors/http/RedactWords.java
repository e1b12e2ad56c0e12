package org.pgoffload.worker.vendors.http;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.Text;

/// Makes foreign words fit for an error: bounded, on one line, without the key and without what was
/// asked. Vendors echo both: the ends of a key in a 401, parts of the prompt in a 400.
///
/// Everything that the words share with the key or the prompt for some length is taken out, so a
/// fragment is caught too. A prompt shorter than that is caught where it stands as a whole.
public final class RedactWords {
  static final int MAX_LENGTH = 500;

  private static final String REDACTED = "[redacted]";
  private static final int MAX_READ = 4 * MAX_LENGTH;
  private static final int SHARED_WITH_KEY = 6;
  private static final int SHARED_WITH_PROMPT = 16;
  private static final int SHORTEST_WHOLE = 5;
  // Odd and wide, so that nobody writes a prompt of many equal hashes by hand.
  private static final long MULTIPLIER = 0x9E3779B97F4A7C15L;
  private static final Pattern MASKED_KEY = Pattern.compile("[\\w-]*[*•]{3,}[\\w*•-]*");
  private static final Pattern NOT_TEXT = Pattern.compile("[\\p{Cntrl}\\s]+");

  private final @Nullable Secret key;
  private final List<String> secrets;
  private final List<String> asked;

  /// @param key what lets the call in, or null
  /// @param asked every text of the question
  public RedactWords(@Nullable Secret key, List<String> asked) {
    this(key, List.of(), asked);
  }

  /// @param secrets what else lets the call in
  public RedactWords(@Nullable Secret key, List<String> secrets, List<String> asked) {
    this.key = key;
    this.secrets = secrets;
    this.asked = asked;
  }

  /// These words, made fit.
  public String redact(String words) {
    var text = Text.begin(words, MAX_READ);
    var hidden = new BitSet(text.length());
    if (key != null) {
      hideShared(hidden, text, key.reveal(), SHARED_WITH_KEY);
      MASKED_KEY.matcher(text).results().forEach(mask -> hidden.set(mask.start(), mask.end()));
    }
    secrets.forEach(secret -> hideShared(hidden, text, secret, SHARED_WITH_KEY));
    asked.forEach(said -> hideShared(hidden, text, said, SHARED_WITH_PROMPT));
    var shown = NOT_TEXT.matcher(withoutHidden(text, hidden)).replaceAll(" ").strip();
    // What was hidden may have been half of a pair.
    return Text.shortened(Text.storable(shown), MAX_LENGTH);
  }

  private static void hideShared(BitSet hidden, String text, String secret, int length) {
    if (secret.length() < length) {
      if (secret.length() >= SHORTEST_WHOLE) {
        for (var at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
          hidden.set(at, at + secret.length());
        }
      }
      return;
    }
    var windows = windows(text, length);
    if (windows.isEmpty()) {
      return;
    }
    // A rolling hash reads a prompt of megabytes once, whatever the length of the words.
    var outgoing = power(length);
    var hash = 0L;
    for (var end = 0; end < secret.length(); end++) {
      hash = hash * MULTIPLIER + secret.charAt(end);
      if (end >= length) {
        hash -= outgoing * secret.charAt(end - length);
      }
      if (end >= length - 1) {
        var at = end - length + 1;
        // What is found needs no second look: a prompt may repeat itself a million times.
        var starts = windows.get(hash);
        if (starts == null) {
          continue;
        }
        starts.removeIf(start -> {
          var shared = text.regionMatches(start, secret, at, length);
          if (shared) {
            hidden.set(start, start + length);
          }
          return shared;
        });
      }
    }
  }

  /// Where each run of this length begins, by its hash.
  private static Map<Long, List<Integer>> windows(String text, int length) {
    var windows = new HashMap<Long, List<Integer>>();
    var outgoing = power(length);
    var hash = 0L;
    for (var end = 0; end < text.length(); end++) {
      hash = hash * MULTIPLIER + text.charAt(end);
      if (end >= length) {
        hash -= outgoing * text.charAt(end - length);
      }
      if (end >= length - 1) {
        windows.computeIfAbsent(hash, _ -> new ArrayList<>()).add(end - length + 1);
      }
    }
    return windows;
  }

  private static long power(int exponent) {
    var power = 1L;
    for (var i = 0; i < exponent; i++) {
      power *= MULTIPLIER;
    }
    return power;
  }

  private static String withoutHidden(String text, BitSet hidden) {
    var shown = new StringBuilder();
    var from = 0;
    for (var start = hidden.nextSetBit(0); start >= 0; start = hidden.nextSetBit(from)) {
      shown.append(text, from, start).append(REDACTED);
      from = hidden.nextClearBit(start);
    }
    return shown.append(text, from, text.length()).toString();
  }
}
