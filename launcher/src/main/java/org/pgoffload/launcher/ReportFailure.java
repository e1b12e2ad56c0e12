package org.pgoffload.launcher;

import java.io.UncheckedIOException;
import org.apache.kafka.common.config.ConfigException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.deadletters.UnreadableLettersException;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.schema.InstallException;
import org.pgoffload.worker.WorkerStartException;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;

/// Says what went wrong in words, without a stack trace where the words are meant for people.
final class ReportFailure implements CommandLine.IExecutionExceptionHandler {
  @Override
  public int handleExecutionException(
      Exception exception, CommandLine command, CommandLine.ParseResult parsed) {
    var kafkaProperty = causeOf(exception, ConfigException.class);
    if (exception instanceof ConfigurationException || kafkaProperty != null) {
      say(
          command,
          kafkaProperty == null
              ? exception.getMessage()
              : "a Kafka client property (a KAFKA_… variable) is wrong: "
                  + kafkaProperty.getMessage());
      return CommandLine.ExitCode.USAGE;
    }
    if (exception instanceof UncheckedIOException) {
      say(command, exception.getMessage() + ": " + exception.getCause());
      return CommandLine.ExitCode.SOFTWARE;
    }
    say(command, exception.getMessage());
    if (!(exception instanceof InstallException
        || exception instanceof UnreadableLettersException
        || exception instanceof WorkerStartException
        || LocalServers.explain(exception))) {
      LoggerFactory.getLogger(ReportFailure.class).error("The command failed", exception);
    }
    return CommandLine.ExitCode.SOFTWARE;
  }

  private static void say(CommandLine command, @Nullable String words) {
    if (Main.LOGS_JSON.equals(System.getProperty(Main.LOG_FORMAT))) {
      // who collects the log gets this line too
      LoggerFactory.getLogger(ReportFailure.class)
          .error("pgoffload {}: {}", command.getCommandName(), words);
      return;
    }
    command.getErr().println("pgoffload " + command.getCommandName() + ": " + words);
  }

  private static <T extends Throwable> @Nullable T causeOf(Throwable thrown, Class<T> type) {
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      if (type.isInstance(cause)) {
        return type.cast(cause);
      }
    }
    return null;
  }
}
