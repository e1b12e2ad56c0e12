package org.pgoffload.launcher;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// A subcommand of `pgoffload`: it has `--help` and `--version`, and returns its exit status.
@Command(mixinStandardHelpOptions = true, versionProvider = ShowVersion.class)
public abstract class PgoffloadCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  /// The command's output.
  protected final PrintWriter out() {
    return spec.commandLine().getOut();
  }

  /// The command's output of errors.
  protected final PrintWriter err() {
    return spec.commandLine().getErr();
  }

  /// An error in the command's arguments, to be thrown: it is printed with the usage, and the exit
  /// status is 2.
  protected final ParameterException usageError(String words) {
    return new ParameterException(spec.commandLine(), words);
  }

  /// The same, with the words of its cause.
  protected final ParameterException usageError(IllegalArgumentException cause) {
    return new ParameterException(spec.commandLine(), String.valueOf(cause.getMessage()), cause);
  }
}
