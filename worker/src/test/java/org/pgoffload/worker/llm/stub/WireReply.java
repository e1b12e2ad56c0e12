package org.pgoffload.worker.llm.stub;

import java.util.Map;

/// What the stub does on the connection.
public sealed interface WireReply {

  /// A whole reply.
  record Full(int status, Map<String, String> headers, String body) implements WireReply {

    public Full {
      headers = Map.copyOf(headers);
    }
  }

  /// Promises a longer body than it sends, and closes the connection.
  record CutBody(String begin) implements WireReply {}

  /// Sends headers and the begin of a body, then nothing until the client goes.
  record StalledBody(String begin) implements WireReply {}

  /// Sends nothing until the client goes.
  record Silence() implements WireReply {}

  /// Resets the connection.
  record Reset() implements WireReply {}

  /// Sends a body of this many blanks.
  record Huge(long bytes) implements WireReply {}
}
