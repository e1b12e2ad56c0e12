package org.pgoffload.launcher;

import java.util.Map;
import org.pgoffload.operations.deadletters.ReadDeadLetters;
import org.pgoffload.platform.Settings;
import picocli.CommandLine.Command;

/// `pgoffload dead-letters`.
@Command(
    name = "dead-letters",
    description = "What was not executed, because it could not be understood or trusted.",
    subcommands = {
      ListDeadLetters.class,
      ShowDeadLetter.class,
      ReplayDeadLetters.class,
      DiscardDeadLetters.class
    })
final class DeadLettersCommand extends PgoffloadCommand {
  @Override
  public Integer call() {
    throw usageError("Say what to do: list, show, replay or discard.");
  }

  /// @throws ConfigurationException if nothing says where Kafka is, or the topics' prefix is wrong
  static ReadDeadLetters open(Settings settings) {
    var topics = settings.topics();
    Map<String, Object> kafka = settings.kafka();
    settings.check();
    return new ReadDeadLetters(kafka, topics.deadLetters());
  }
}
