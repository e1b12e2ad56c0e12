package org.pgoffload.worker.sql.rows;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.Writer;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.sql.sessions.StoppedException;

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
    void take(String piece, boolean ends) throws InterruptedException, StoppedException;
  }

  CutRow(Pieces pieces) {
    this.pieces = pieces;
  }

  /// Cuts the row and hands each piece on.
  ///
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void cut(List<@Nullable String> row) throws InterruptedException, StoppedException {
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
    } catch (NotTaken e) {
      if (e.getCause() instanceof StoppedException stopped) {
        throw stopped;
      }
      var interrupted = new InterruptedException("closing, before all of a row was sent");
      interrupted.initCause(e);
      throw interrupted;
    } catch (IOException e) {
      throw new IllegalStateException("text is written to memory alone", e);
    }
    pieces.take(piece.toString(), true);
  }

  /// Carries what stopped the pieces through the writer.
  private static final class NotTaken extends IOException {
    private static final long serialVersionUID = 1L;

    NotTaken(Exception cause) {
      super(cause);
    }
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
    private void take() throws NotTaken {
      char last = piece.charAt(piece.length() - 1);
      boolean torn = Character.isHighSurrogate(last);
      if (torn) {
        piece.setLength(piece.length() - 1);
      }
      try {
        pieces.take(piece.toString(), false);
      } catch (InterruptedException | StoppedException e) {
        throw new NotTaken(e);
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
