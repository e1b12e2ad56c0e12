package org.pgoffload.operations.deadletters;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;

/// The topic of dead letters, for pages that show it. Its text form has none of Kafka's properties,
/// which may be secrets.
///
/// @param kafka client properties
public record LetterTopic(Map<String, Object> kafka, String name) {
  /// A reader waits for the page.
  private static final int PATIENCE_MS = 5_000;

  public LetterTopic {
    kafka = Map.copyOf(kafka);
  }

  /// Begins to read it, with the patience of a reader.
  public ReadDeadLetters open() {
    var properties = new HashMap<>(kafka);
    properties.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, PATIENCE_MS);
    properties.put(ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, PATIENCE_MS);
    return new ReadDeadLetters(properties, name);
  }

  @Override
  public String toString() {
    return "LetterTopic[" + name + "]";
  }
}
