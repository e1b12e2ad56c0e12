package org.pgoffload.dev.testkit.http;

import java.util.List;
import java.util.Map;

/// The bytes that the stub sends, and how it treats the connection.
public sealed interface WireReply {

  /// A whole reply.
  record Full(int status, Map<String, String> headers, String body) implements WireReply {

    public Full {
      headers = Map.copyOf(headers);
    }
  }

  /// A chunked body of status 200 that comes bit by bit.
  ///
  /// @param begin sent as one chunk each
  /// @param ending what follows
  /// @param bytes in each write; 0 for a whole chunk
  record Stream(Map<String, String> headers, List<String> begin, Ending ending, int bytes)
      implements WireReply {

    public Stream {
      headers = Map.copyOf(headers);
      begin = List.copyOf(begin);
    }
  }

  /// The same, whole, with these bytes in the place of those of its body or of each chunk.
  record Encoded(WireReply reply, Coding coding) implements WireReply {}

  /// The way of a body.
  enum Coding {
    GZIP("gzip"),
    /// Without a header that says so.
    UNTOLD_GZIP(""),
    ZLIB("deflate"),
    RAW_DEFLATE("deflate"),
    /// The header says gzip, but a proxy has unpacked the body.
    TOLD_GZIP("gzip"),
    BROTLI("br");

    final String header;

    Coding(String header) {
      this.header = header;
    }
  }

  /// How a stream ends.
  enum Ending {
    /// With the last chunk of the body.
    WHOLE,
    /// With a closed connection.
    CUT,
    /// Not: nothing follows until the client goes.
    STALLED,
    /// Not: the last chunk is sent again every few milliseconds until the client goes.
    REPEATED_SLOWLY,
    /// Not: the last chunk is sent again at once until the client goes.
    REPEATED
  }

  /// A reply whose body need not be text.
  @SuppressWarnings("ArrayRecordComponent") // Written once and never compared.
  record Bytes(int status, Map<String, String> headers, byte[] body) implements WireReply {

    public Bytes {
      headers = Map.copyOf(headers);
    }
  }

  /// Promises a longer body than it sends, and closes the connection.
  record CutBody(String begin) implements WireReply {}

  /// Sends headers and the begin of a body, then nothing until the client goes.
  record StalledBody(String begin) implements WireReply {}

  /// Sends one header after the other, every few milliseconds, until the client goes.
  record EndlessHeaders() implements WireReply {}

  /// Sends nothing until the client goes.
  record Silence() implements WireReply {}

  /// Resets the connection.
  record Reset() implements WireReply {}

  /// Sends a body of this many blanks.
  record Huge(long bytes) implements WireReply {}
}
