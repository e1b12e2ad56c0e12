package org.pgoffload.dev.benchmarks.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;

/// The figures as text for people: an aligned table, which is Markdown as well. A pure function.
public final class Report {
  private static final List<String> HEAD =
      List.of("Row", "Figure", "Value", "Target", "Reached", "Parts");

  private Report() {}

  /// Several lines, each ended by a line feed.
  public static String text(List<Measurement> rows) {
    var lines = new ArrayList<List<String>>();
    lines.add(HEAD);
    for (var row : rows) {
      var name = row.name();
      for (var figure : row.figures()) {
        lines.add(line(name, figure));
        name = "";
      }
    }
    var widths = new int[HEAD.size()];
    for (var line : lines) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], line.get(i).length());
      }
    }
    lines.add(1, dashes(widths));
    return lines.stream().map(line -> aligned(line, widths)).collect(Collectors.joining())
        + verdict(rows);
  }

  private static List<String> line(String row, Figure figure) {
    var target = figure.target();
    return List.of(
        row,
        figure.name(),
        value(figure.value(), figure.unit()),
        target == null ? "" : target.bound().sign() + " " + value(target.value(), figure.unit()),
        target == null ? "" : target.isReachedBy(figure.value()) ? "yes" : "no",
        figure.parts().entrySet().stream()
            .map(part -> part.getKey() + " " + number(part.getValue()))
            .collect(Collectors.joining(", ")));
  }

  private static List<String> dashes(int[] widths) {
    var dashes = new ArrayList<String>();
    for (int i = 0; i < widths.length; i++) {
      dashes.add(isNumber(i) ? "-".repeat(widths[i] - 1) + ":" : "-".repeat(widths[i]));
    }
    return dashes;
  }

  /// Values and targets are aligned to the right.
  private static boolean isNumber(int column) {
    return column == 2 || column == 3;
  }

  private static String aligned(List<String> line, int[] widths) {
    var text = new StringBuilder("|");
    for (int i = 0; i < widths.length; i++) {
      var padding = " ".repeat(widths[i] - line.get(i).length());
      text.append(' ')
          .append(isNumber(i) ? padding + line.get(i) : line.get(i) + padding)
          .append(" |");
    }
    return text.append('\n').toString();
  }

  private static String verdict(List<Measurement> rows) {
    var reached =
        rows.stream()
            .flatMap(row -> row.figures().stream())
            .map(Figure::reached)
            .filter(Objects::nonNull)
            .toList();
    return reached.isEmpty()
        ? ""
        : String.format(
            "%nOf %d targets, %d are reached.%n",
            reached.size(), reached.stream().filter(Boolean::booleanValue).count());
  }

  private static String value(double value, String unit) {
    return number(value) + " " + unit;
  }

  /// With as many digits as tell something.
  private static String number(double value) {
    double size = Math.abs(value);
    return String.format(Locale.ROOT, size >= 100 ? "%,.0f" : size >= 10 ? "%.1f" : "%.2f", value);
  }
}
