package org.pgoffload.worker.llm.chunks;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.pgoffload.protocol.MaintainedRequest.Chunking;
import org.pgoffload.protocol.Text;

/// Splits a text into chunks: as many whole paragraphs as a chunk takes, of a longer one as many
/// whole lines, sentences, words, and of a word without an end as many characters. A chunk is a
/// part of the text as it stands, without the blanks around it. It begins with the end of the chunk
/// before: as many whole parts as the overlap takes, of the smallest kind that is needed for one.
///
/// One text at a time, so that long ones leave a processor to the others.
public final class SplitText {
  /// As many as a request may have inputs.
  static final int MOST_CHUNKS = 100_000;

  /// Of all chunks together.
  static final long MOST_CHARACTERS = 64 << 20;

  /// How many times as long the overlap may make a text, besides the first million characters.
  private static final int MOST_TIMES = 8;

  /// A part with more characters for each token is not counted, but split: its parts may share a
  /// chunk all the same.
  private static final int CHARACTERS_OF_A_TOKEN = 8;

  private static final Boundary[] BOUNDARIES = Boundary.values();
  private static final Semaphore ONE_AT_A_TIME = new Semaphore(1);

  private final String text;
  private final Chunking chunking;

  /// What a part may have, so that it fits behind the overlap and the blanks between the two. It is
  /// the overlap that yields if it has more than half of a chunk.
  private final int mostOfPart;

  private final List<String> chunks = new ArrayList<>();
  private long characters;

  /// What the chunk that is being filled has: the end of the chunk before, and new parts.
  private final List<Part> parts = new ArrayList<>();

  /// How many of them are of the chunk before.
  private int repeated;

  /// What all cost together, one by one.
  private long tokens;

  /// A part of the text without blanks around it.
  private record Part(int from, int to, long tokens) {}

  private SplitText(String text, Chunking chunking) {
    this.text = text;
    this.chunking = chunking;
    int blanks = chunking.overlap() == 0 ? 0 : 2;
    int half = (chunking.tokens() + 1) / 2;
    mostOfPart = Math.max(half, chunking.tokens() - chunking.overlap() - blanks);
  }

  /// The chunks of a text, in order, none of them blank. A text that fits into one chunk is one.
  ///
  /// @throws IllegalArgumentException if the text is blank, or has too many chunks
  /// @throws InterruptedException if the thread is interrupted meanwhile
  public static List<String> split(String text, Chunking chunking) throws InterruptedException {
    ONE_AT_A_TIME.acquire();
    try {
      return new SplitText(Text.storable(text), chunking).split();
    } finally {
      ONE_AT_A_TIME.release();
    }
  }

  private List<String> split() throws InterruptedException {
    int from = behindBlanks(0, text.length());
    int to = beforeBlanks(from, text.length());
    if (from == to) {
      throw new IllegalArgumentException("a text to be embedded must not be empty");
    }
    if (tokens(from, to, chunking.tokens()) <= chunking.tokens()) {
      return List.of(text.substring(from, to));
    }
    cut(from, to, 0);
    while (repeated < parts.size()) {
      finish();
    }
    return chunks;
  }

  /// The tokens between two places, or any number above the limit.
  private long tokens(int from, int to, int limit) {
    return to - from > (long) limit * CHARACTERS_OF_A_TOKEN
        ? limit + 1L
        : CountTokens.of(text, from, to);
  }

  /// Adds a part, or its own parts if it is too long.
  private void split(int wideFrom, int wideTo, int boundary) throws InterruptedException {
    int from = behindBlanks(wideFrom, wideTo);
    int to = beforeBlanks(from, wideTo);
    if (from == to) {
      return;
    }
    long count = tokens(from, to, mostOfPart);
    if (count <= mostOfPart) {
      add(new Part(from, to, count));
    } else {
      cut(from, to, boundary);
    }
  }

  private void cut(int from, int to, int boundary) throws InterruptedException {
    if (boundary == BOUNDARIES.length) {
      // one character that has more tokens than a part may have
      add(new Part(from, to, CountTokens.of(text, from, to)));
      return;
    }
    var cuts = BOUNDARIES[boundary].within(text, from, to);
    int next = cuts.next(from);
    if (next == to) {
      cut(from, to, boundary + 1);
      return;
    }
    int at = from;
    while (at < to) {
      split(at, next, boundary + 1);
      at = next;
      next = at < to ? cuts.next(at) : to;
    }
  }

  private void add(Part part) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("while a text was split");
    }
    if (repeated == parts.size()) {
      // a chunk begins: with as much of the one before as leaves room for it
      keepLast(chunking.tokens() - (parts.isEmpty() ? 0 : tokensBehind(parts.getLast().to, part)));
    }
    long more = parts.isEmpty() ? part.tokens : tokensBehind(parts.getLast().to, part);
    if (repeated == parts.size() || tokens + more <= chunking.tokens()) {
      tokens += more;
      parts.add(part);
    } else {
      finish();
      add(part);
    }
  }

  /// What a part adds to what ends there. The blanks before it count with it: a word has other
  /// tokens behind a space.
  private long tokensBehind(int end, Part part) {
    return part.from == end ? part.tokens : tokens(end, part.to, chunking.tokens());
  }

  /// Leaves out all parts but the last, as many as have no more tokens.
  private void keepLast(long most) {
    var kept = List.copyOf(lastOf(parts, most));
    parts.clear();
    parts.addAll(kept);
    repeated = parts.size();
    tokens = parts.isEmpty() ? 0 : CountTokens.of(text, parts.getFirst().from, parts.getLast().to);
  }

  /// Ends the chunk that is being filled.
  private void finish() throws InterruptedException {
    // counted as a whole it may have more tokens than its parts have
    var left = new ArrayList<Part>();
    while (tokens(parts.getFirst().from, parts.getLast().to, chunking.tokens()) > chunking.tokens()
        && parts.size() > 1) {
      if (repeated > 0) {
        parts.removeFirst();
        repeated--;
      } else {
        left.addFirst(parts.removeLast());
      }
    }
    int from = parts.getFirst().from;
    int to = parts.getLast().to;
    chunks.add(text.substring(from, to));
    characters += to - from;
    if (chunks.size() > MOST_CHUNKS
        || characters > Math.min(MOST_CHARACTERS, MOST_TIMES * (long) text.length() + (1 << 20))) {
      throw new IllegalArgumentException(
          "the text has more chunks than can be embedded; make them larger, or overlap less");
    }
    overlap();
    // no other text is split meanwhile, but all else goes on, also where there is one processor
    Thread.sleep(Duration.ZERO);
    for (var part : left) {
      add(part);
    }
  }

  /// Keeps of the chunk what the next one begins with: whole parts, but never all of them; or, if
  /// the last one is too long, whole parts of that.
  private void overlap() {
    var last = parts.getLast();
    var found = lastOf(parts.subList(1, parts.size()), chunking.overlap());
    for (int i = 0; i < BOUNDARIES.length && found.isEmpty() && chunking.overlap() > 0; i++) {
      var its = partsOf(last, BOUNDARIES[i]);
      found = lastOf(its.subList(1, its.size()), chunking.overlap());
      last = its.getLast();
    }
    var kept = List.copyOf(found);
    parts.clear();
    parts.addAll(kept);
    repeated = parts.size();
  }

  /// The last parts, as many as have no more tokens together.
  private List<Part> lastOf(List<Part> some, long most) {
    int first = some.size();
    long count = 0;
    while (first > 0) {
      var part = some.get(first - 1);
      if (first < some.size()) {
        var next = some.get(first);
        count += tokensBehind(part.to, next) - next.tokens;
      }
      count += part.tokens;
      if (count > most) {
        break;
      }
      first--;
    }
    return some.subList(first, some.size());
  }

  private List<Part> partsOf(Part part, Boundary boundary) {
    var its = new ArrayList<Part>();
    var cuts = boundary.within(text, part.from, part.to);
    for (int at = part.from; at < part.to; ) {
      int next = cuts.next(at);
      int from = behindBlanks(at, next);
      int to = beforeBlanks(from, next);
      if (from < to) {
        its.add(new Part(from, to, tokens(from, to, chunking.tokens())));
      }
      at = next;
    }
    return its;
  }

  private int behindBlanks(int from, int to) {
    int at = from;
    while (at < to && isBlank(text.charAt(at))) {
      at++;
    }
    return at;
  }

  private int beforeBlanks(int from, int to) {
    int at = to;
    while (at > from && isBlank(text.charAt(at - 1))) {
      at--;
    }
    return at;
  }

  private static boolean isBlank(char character) {
    return Character.isWhitespace(character) || Character.isSpaceChar(character);
  }
}
