package org.pgoffload.worker.llm;

/// How a vendor puts the events of a stream one after the other.
enum EventFraming {
  /// `text/event-stream`, each event's data being a JSON object.
  SERVER_SENT_EVENTS,
  /// A JSON object on each line.
  JSON_LINES;

  /// The events of a reply.
  StreamedEvents read(OpenReply reply) {
    var lines = new ReadLines(reply::next);
    return switch (this) {
      case SERVER_SENT_EVENTS -> new ServerSentEvents(lines);
      case JSON_LINES ->
          () -> {
            var line = lines.next();
            while (line != null && line.isBlank()) {
              line = lines.next();
            }
            return line;
          };
    };
  }
}
