package org.pgoffload.launcher;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.credentials.MakeCredentials;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload credentials`.
@Command(
    name = "credentials",
    description = {
      "Makes random passwords for the roles, and certificates by which PostgreSQL and"
          + " the worker know each other, in files: all of them in DIR/kept, and in"
          + " DIR/postgres, DIR/owner, DIR/producer, DIR/worker, DIR/results and DIR/console"
          + " what each of these needs.",
      "What is there stays."
    })
final class CredentialsCommand extends PgoffloadCommand {
  @Option(
      names = "--directory",
      paramLabel = "DIR",
      required = true,
      description = "Where the directories are.")
  private Path directory = Path.of(".");

  @Option(
      names = "--server-name",
      paramLabel = "NAME",
      required = true,
      description = "A host name or address by which PostgreSQL is called; can be repeated.")
  private List<String> serverNames = List.of();

  @Option(
      names = "--valid-days",
      paramLabel = "DAYS",
      defaultValue = "365",
      description =
          "How long certificates are valid when they are made; they are made anew in their last 30"
              + " days. Default: ${DEFAULT-VALUE}.")
  private int validDays;

  @Option(
      names = "--postgres-user",
      paramLabel = "ID",
      description =
          "Numeric id of the user whom PostgreSQL's files shall belong to; needs root. Default:"
              + " whoever runs this.")
  private @Nullable Integer postgresUser;

  @Option(
      names = "--parts-user",
      paramLabel = "ID",
      description =
          "Numeric id of the user whom the files of the parts shall belong to; needs root."
              + " Default: whoever runs this.")
  private @Nullable Integer partsUser;

  @Override
  public Integer call() throws IOException {
    if (validDays < 31 || validDays > 36_500) {
      throw usageError("--valid-days must be from 31 to 36500, not " + validDays);
    }
    var changes =
        new MakeCredentials(
                directory, serverNames, Duration.ofDays(validDays), postgresUser, partsUser)
            .run();
    var out = out();
    changes.forEach(changed -> out.println("Wrote " + changed));
    if (changes.isEmpty()) {
      out.println("Nothing to do: all are there.");
    }
    out.flush();
    return 0;
  }
}
