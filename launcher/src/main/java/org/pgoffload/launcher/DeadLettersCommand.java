package org.pgoffload.launcher;

import java.util.Map;
import java.util.concurrent.Callable;
import org.pgoffload.operations.deadletters.ReadDeadLetters;
import org.pgoffload.platform.Settings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// `pgoffload dead-letters`.
@Command(
    name = "dead-letters",
    description = "What was not executed, because it could not be understood or trusted.",
    mixinStandardHelpOptions = true,
    versionProvider = ShowVersion.class,
    subcommands = {ListDeadLetters.class, ShowDeadLetter.class, ReplayDeadLetters.class})
final class DeadLettersCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public Integer call() {
    throw new ParameterException(spec.commandLine(), "Say what to do: list, show or replay.");
  }

  /// @throws ConfigurationException if nothing says where Kafka is, or the topics' prefix is wrong
  static ReadDeadLetters open(Settings settings) {
    var topics = settings.topics();
    Map<String, Object> kafka = settings.kafka();
    settings.check();
    return new ReadDeadLetters(kafka, topics.deadLetters());
  }
}
