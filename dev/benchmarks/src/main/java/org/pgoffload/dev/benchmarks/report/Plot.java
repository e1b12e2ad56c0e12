package org.pgoffload.dev.benchmarks.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import org.pgoffload.dev.benchmarks.report.Measurement.Latency;
import org.pgoffload.dev.benchmarks.report.Measurement.Throughput;

/// The latencies' percentiles, and the throughput in the course of time, as an SVG of two diagrams
/// with logarithmic scales. A pure function.
public final class Plot {
  private static final int WIDTH = 960;
  private static final int LEFT = 80;
  private static final int RIGHT = 700;
  private static final int HEIGHT = 300;
  private static final int TOP = 50;

  /// From the top of one diagram to that of the next.
  private static final int PITCH = 400;

  private static final List<String> COLOURS =
      List.of(
          "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2",
          "#7f7f7f", "#bcbd22");

  private Plot() {}

  /// The whole document.
  public static String svg(List<Measurement> rows) {
    var latencies = rows.stream().flatMap(row -> row.latencies().stream()).map(Plot::line).toList();
    var throughputs =
        rows.stream().flatMap(row -> row.throughputs().stream()).map(Plot::line).toList();
    var percentiles =
        new Axis(
            "percentile",
            List.of("50", "75", "90", "95", "99", "99.9", "max"),
            List.of(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0));
    double seconds = throughputs.stream().mapToDouble(Line::lastX).max().orElse(1);
    return """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
    <rect width="100%%" height="100%%" fill="white"/>
    %s%s</svg>
    """
        .formatted(
            WIDTH,
            2 * PITCH,
            diagram(TOP, "Latency in ms", percentiles, latencies),
            diagram(PITCH + TOP, "Calls a second", Axis.ofSeconds(seconds), throughputs));
  }

  /// @param labels of the marks
  /// @param marks in their order, at least two
  private record Axis(String name, List<String> labels, List<Double> marks) {
    static Axis ofSeconds(double last) {
      long step = Math.max(1, Math.round(last / 10));
      var marks = LongStream.iterate(0, mark -> mark + step).limit(2 + (long) last / step);
      var at = marks.boxed().toList();
      return new Axis(
          "seconds",
          at.stream().map(String::valueOf).toList(),
          at.stream().map(Long::doubleValue).toList());
    }

    double pixel(double x) {
      return LEFT + (RIGHT - LEFT) * (x - marks.getFirst()) / (marks.getLast() - marks.getFirst());
    }
  }

  private record Point(double x, double y) {}

  private record Line(String name, List<Point> points) {
    double lastX() {
      return points.isEmpty() ? 0 : points.getLast().x;
    }
  }

  private static Line line(Latency latency) {
    var of = latency.milliseconds();
    var values = List.of(of.p50(), of.p75(), of.p90(), of.p95(), of.p99(), of.p999(), of.max());
    var points = new ArrayList<Point>();
    for (int i = 0; i < values.size(); i++) {
      points.add(new Point(i, values.get(i)));
    }
    return new Line(latency.name(), points);
  }

  private static Line line(Throughput throughput) {
    var points = new ArrayList<Point>();
    for (int i = 0; i < throughput.rates().size(); i++) {
      points.add(new Point((i + 1) * throughput.interval(), throughput.rates().get(i)));
    }
    return new Line(throughput.name(), points);
  }

  private static String diagram(int top, String title, Axis axis, List<Line> lines) {
    // nothing has no logarithm
    var values =
        lines.stream()
            .flatMap(line -> line.points.stream())
            .mapToDouble(Point::y)
            .filter(y -> y > 0)
            .summaryStatistics();
    boolean empty = values.getCount() == 0;
    int lowest = empty ? 0 : (int) Math.floor(Math.log10(values.getMin()));
    int highest = Math.max(lowest + 1, empty ? 1 : (int) Math.ceil(Math.log10(values.getMax())));
    var svg = new StringBuilder();
    svg.append(text(LEFT, top - 20, "start", title + " (logarithmic), by " + axis.name));
    for (int power = lowest; power <= highest; power++) {
      double y = pixel(Math.pow(10, power), top, lowest, highest);
      svg.append(rule(LEFT, y, RIGHT, y));
      svg.append(text(LEFT - 8, y + 4, "end", power(power)));
    }
    for (int i = 0; i < axis.marks.size(); i++) {
      double x = axis.pixel(axis.marks.get(i));
      svg.append(rule(x, top, x, top + HEIGHT));
      svg.append(text(x, top + HEIGHT + 18, "middle", axis.labels.get(i)));
    }
    for (int i = 0; i < lines.size(); i++) {
      var colour = COLOURS.get(i % COLOURS.size());
      var path = new StringBuilder();
      for (var point : lines.get(i).points) {
        if (point.y > 0) {
          path.append(
              String.format(
                  Locale.ROOT,
                  "%.1f,%.1f ",
                  axis.pixel(point.x),
                  pixel(point.y, top, lowest, highest)));
        }
      }
      svg.append(
          String.format(
              Locale.ROOT,
              "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n",
              path.toString().strip(),
              colour));
      int y = top + 10 + 18 * i;
      svg.append(
          String.format(
              Locale.ROOT,
              "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"4\" fill=\"%s\"/>\n",
              RIGHT + 20,
              y - 6,
              colour));
      svg.append(text(RIGHT + 42, y, "start", lines.get(i).name));
    }
    return svg.toString();
  }

  private static double pixel(double y, int top, int lowest, int highest) {
    return top + HEIGHT * (highest - Math.log10(y)) / (highest - lowest);
  }

  private static String power(int power) {
    return power < 0
        ? String.format(Locale.ROOT, "%." + -power + "f", Math.pow(10, power))
        : "1" + "0".repeat(power);
  }

  private static String rule(double x1, double y1, double x2, double y2) {
    return String.format(
        Locale.ROOT,
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n",
        x1,
        y1,
        x2,
        y2);
  }

  private static String text(double x, double y, String anchor, String words) {
    return String.format(
        Locale.ROOT,
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
        x,
        y,
        anchor,
        words.replace("&", "&amp;").replace("<", "&lt;"));
  }
}
