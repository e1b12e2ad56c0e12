package org.pgoffload.telemetry;

/// How a part does.
///
/// @param live whether it works at all; a part that does not has to be started anew
/// @param ready whether it does its work just now: it has what it needs, the database and Kafka
/// @param detail what it does, or why it does not, in words and without secrets
public record Health(boolean live, boolean ready, String detail) {
  /// The part does its work.
  public static Health ready(String detail) {
    return new Health(true, true, detail);
  }

  /// The part waits, and says for what.
  public static Health waiting(String detail) {
    return new Health(true, false, detail);
  }

  /// The part has ended.
  public static Health ended() {
    return new Health(false, false, "it has ended");
  }
}
