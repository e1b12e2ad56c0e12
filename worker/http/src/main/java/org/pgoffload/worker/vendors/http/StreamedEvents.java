package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// The events of one streamed reply, in order, read on the thread that made the call.
@FunctionalInterface
public interface StreamedEvents {
  /// The last event in the streams of OpenAI's older API.
  String END = "[DONE]";

  /// Whether the last event of a reply is whole although no empty line ends it.
  static boolean isWhole(String data) {
    return data.strip().equals(END) || VendorBody.read(data).fault() == null;
  }

  /// The data of the next event; null at the end of the reply.
  ///
  /// @throws IOException as every read of an [OpenReply]
  @Nullable String next() throws IOException;
}
