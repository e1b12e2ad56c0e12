package org.pgoffload.launcher;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintWriter;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.deadletters.ListedLetter;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.operations.deadletters.SettledLetter;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Environment;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Text;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload dead-letters list`.
@Command(
    name = "list",
    description =
        "Lists what is neither replayed nor discarded, the oldest first. Ids and roles are what the"
            + " letters say.")
final class ListDeadLetters extends ConfiguredCommand {
  private static final int LONGEST_DETAIL = 120;
  private static final List<String> HEADINGS =
      List.of("POSITION", "TIME", "REASON", "ID", "KIND", "REQUESTED BY", "DETAIL");

  @Option(names = "--json", description = "Print a JSON object for each instead of a table.")
  private boolean json;

  @Option(names = "--reason", paramLabel = "REASON", description = "Only those of this reason.")
  private @Nullable String reason;

  @Option(
      names = "--since",
      paramLabel = "TIME",
      description =
          "Only those since then: a time such as 2026-01-31T12:00:00Z, or how long ago: 90m, 24h.")
  private @Nullable String since;

  @Option(
      names = "--settled",
      description = "Also those that were replayed or discarded; the database is not asked then.")
  private boolean settled;

  @Override
  public Integer call() {
    var from = since == null ? null : time(since, InstantSource.system());
    var rows = new ArrayList<ListedLetter>();
    try (var letters = DeadLettersCommand.open(settings())) {
      letters.all(
          from,
          letter -> {
            if (reason == null || reason.equals(letter.reason())) {
              rows.add(ListedLetter.of(letter));
            }
          });
    }
    if (!settled && !rows.isEmpty()) {
      leaveOutSettled(rows);
    }
    rows.sort(Comparator.comparing(ListedLetter::time));
    var out = out();
    if (json) {
      rows.forEach(row -> out.println(toJson(row)));
    } else if (rows.isEmpty()) {
      out.println("No dead letters.");
    } else {
      table(out, rows);
    }
    out.flush();
    return 0;
  }

  /// Without an answer of the database all are listed: a login may be there for the topic alone.
  private void leaveOutSettled(List<ListedLetter> rows) {
    if (!settings().hasDatabase()) {
      err().println("Letters that were replayed or discarded are listed too: no database is set.");
      err().flush();
      return;
    }
    try (var connection = database().connectAsPart("pgoffload dead-letters")) {
      rows.removeIf(
          SettledLetter.among(
              rows,
              (sql, positions) -> Query.rows(connection, sql, SettledLetter::read, positions)));
    } catch (SQLException e) {
      err()
          .println(
              "Letters that were replayed or discarded are listed too: "
                  + Printable.line(DatabaseFault.words(e)));
      err().flush();
    }
  }

  private Instant time(String text, InstantSource clock) {
    try {
      return Instant.parse(text);
    } catch (java.time.DateTimeException e) {
      try {
        return clock.instant().minus(Environment.parseDuration(text));
      } catch (IllegalArgumentException | java.time.DateTimeException again) {
        throw usageError(
            "--since must be a time such as 2026-01-31T12:00:00Z or a duration such as 24h, not '"
                + text
                + "'");
      }
    }
  }

  private static void table(PrintWriter out, List<ListedLetter> rows) {
    var lines = new ArrayList<List<String>>();
    lines.add(HEADINGS);
    for (var row : rows) {
      lines.add(
          List.of(
              row.position(),
              row.time().truncatedTo(ChronoUnit.SECONDS).toString(),
              Printable.line(row.reason()),
              row.request().id(),
              Printable.line(row.request().kind()),
              Printable.line(row.request().requestedBy()),
              Text.shortened(Printable.line(row.detail()), LONGEST_DETAIL)));
    }
    for (var line : lines) {
      var printed = new StringBuilder();
      for (int i = 0; i < line.size(); i++) {
        int column = i;
        int width = lines.stream().mapToInt(each -> each.get(column).length()).max().orElse(0);
        printed.append(String.format("%-" + Math.max(1, width) + "s  ", line.get(i)));
      }
      out.println(printed.toString().stripTrailing());
    }
  }

  private static String toJson(ListedLetter row) {
    var object = new ObjectMapper().createObjectNode();
    object.put("position", row.position());
    object.put("time", row.time().toString());
    object.put("reason", row.reason());
    if (row.request().id().isEmpty()) {
      object.putNull("id").putNull("kind");
    } else {
      object.put("id", Long.parseLong(row.request().id())).put("kind", row.request().kind());
    }
    object.put(
        "requested_by", row.request().requestedBy().isEmpty() ? null : row.request().requestedBy());
    object.put("detail", row.detail());
    object.put("origin", row.origin());
    object.put("bytes", row.bytes());
    return object.toString();
  }
}
