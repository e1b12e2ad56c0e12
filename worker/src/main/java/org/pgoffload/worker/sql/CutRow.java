package org.pgoffload.worker.sql;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.Writer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Cuts a row that is larger than a message into pieces of its JSON text, `[[…]]`, without holding
/// all of that text.
///
/// For one row.
final class CutRow {
  /// Three bytes each at most: no character needs more of them, once what JSON escapes is escaped.
  static final int PIECE_CHARACTERS = GatherRows.MOST_CHUNK_BYTES / 3;

  private static final JsonFactory JSON = new JsonFactory();

  private final Pieces pieces;
  private final StringBuilder piece = new StringBuilder(PIECE_CHARACTERS);

  /// Where the pieces go.
  @FunctionalInterface
  interface Pieces {
    /// Takes the next piece.
    ///
    /// @param ends whether it is the row's last
    void take(String piece, boolean ends) throws InterruptedException;
  }

  CutRow(Pieces pieces) {
    this.pieces = pieces;
  }

  /// Cuts the row and hands each piece on.
  ///
  /// @throws InterruptedException if the pieces could not be taken
  void cut(List<@Nullable String> row) throws InterruptedException {
    try (var json = JSON.createGenerator(new Text())) {
      // what it has begun is ours to end
      json.disable(JsonGenerator.Feature.AUTO_CLOSE_JSON_CONTENT);
      json.writeStartArray();
      json.writeStartArray();
      for (var value : row) {
        json.writeString(value);
      }
      json.writeEndArray();
      json.writeEndArray();
    } catch (IOException e) {
      var interrupted = new InterruptedException("closing, before all of a row was sent");
      interrupted.initCause(e);
      throw interrupted;
    }
    pieces.take(piece.toString(), true);
  }

  private final class Text extends Writer {
    @Override
    public void write(char[] text, int offset, int length) throws IOException {
      int at = offset;
      int end = offset + length;
      while (at < end) {
        int taken = Math.min(end - at, PIECE_CHARACTERS - piece.length());
        piece.append(text, at, taken);
        at += taken;
        if (piece.length() == PIECE_CHARACTERS) {
          take();
        }
      }
    }

    /// A pair of surrogates stays together.
    private void take() throws InterruptedIOException {
      char last = piece.charAt(piece.length() - 1);
      boolean torn = Character.isHighSurrogate(last);
      if (torn) {
        piece.setLength(piece.length() - 1);
      }
      try {
        pieces.take(piece.toString(), false);
      } catch (InterruptedException e) {
        throw new InterruptedIOException(e.getMessage());
      }
      piece.setLength(0);
      if (torn) {
        piece.append(last);
      }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }
}
