package org.pgoffload.launcher;

import org.pgoffload.embedded.EmbeddedException;
import org.pgoffload.schema.InstallException;
import org.pgoffload.worker.WorkerStartException;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;

/// Says what went wrong in words, without a stack trace where the words are meant for people.
final class ReportFailure implements CommandLine.IExecutionExceptionHandler {
  @Override
  public int handleExecutionException(
      Exception exception, CommandLine command, CommandLine.ParseResult parsed) {
    if (exception instanceof ConfigurationException) {
      command
          .getErr()
          .println("pgoffload " + command.getCommandName() + ": " + exception.getMessage());
      return CommandLine.ExitCode.USAGE;
    }
    command
        .getErr()
        .println("pgoffload " + command.getCommandName() + ": " + exception.getMessage());
    if (!(exception instanceof InstallException
        || exception instanceof EmbeddedException
        || exception instanceof WorkerStartException)) {
      LoggerFactory.getLogger(ReportFailure.class).error("The command failed", exception);
    }
    return CommandLine.ExitCode.SOFTWARE;
  }
}
