package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import java.util.List;

/// How a vendor puts the events of a stream one after the other.
public enum EventFraming {
  /// `text/event-stream`, each event's data being a JSON object.
  SERVER_SENT_EVENTS,
  /// A JSON object on each line.
  JSON_LINES;

  /// How a line of a server-sent event begins; a comment begins with a colon.
  private static final List<String> FIELDS = List.of("data", "event", "id", "retry", ":");

  /// Whether a reply is in one piece: some servers send no stream although the worker asked for
  /// one. The first characters decide before the content type, since not every server sets it. An
  /// answer on a line of its own is an event like any other.
  public boolean isWhole(OpenReply reply) throws IOException {
    var begin = reply.begin();
    return begin.startsWith("[")
        || begin.startsWith("<")
        || switch (this) {
          case SERVER_SENT_EVENTS ->
              begin.startsWith("{")
                  || (reply.isJson() && FIELDS.stream().noneMatch(begin::startsWith));
          case JSON_LINES -> begin.startsWith("{\n") || begin.startsWith("{\r") || reply.isJson();
        };
  }

  /// The events of a reply.
  public StreamedEvents read(OpenReply reply) {
    var lines = reply.lines();
    return switch (this) {
      case SERVER_SENT_EVENTS -> new ServerSentEvents(lines);
      case JSON_LINES ->
          () -> {
            var line = lines.readLine();
            while (line != null && line.isBlank()) {
              line = lines.readLine();
            }
            return line == null || !reply.isTorn() || StreamedEvents.isWhole(line) ? line : null;
          };
    };
  }
}
