package org.pgoffload.dev.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.StringReader;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Measurement.Latency;
import org.pgoffload.dev.benchmarks.report.Measurement.Throughput;
import org.pgoffload.dev.benchmarks.report.Percentiles;
import org.pgoffload.dev.benchmarks.report.Plot;
import org.pgoffload.dev.benchmarks.report.Report;
import org.pgoffload.dev.benchmarks.report.Target;
import org.pgoffload.dev.benchmarks.report.Target.Bound;
import org.xml.sax.InputSource;

/// The table, the JSON and the plot of one result.
class ReportTest {
  private static final BenchmarkResult RESULT =
      new BenchmarkResult(
          new BenchmarkPlan(List.of(), 500, 10, 5, 50_000, 1, 1_000_000, 10_000_000),
          List.of(
              new Measurement(
                  "llm-ask",
                  "llm_ask; one caller",
                  List.of(
                      Figure.of("p50", 7.254, "ms"),
                      Figure.of("p50 against the floor's", 2.25, "x").to(Target.atMost(1.5)),
                      new Figure(
                          "processor for each call",
                          4.75,
                          "ms",
                          Target.atMost(5),
                          Map.of("JVM", 3.0, "PostgreSQL", 1.75))),
                  List.of(
                      new Latency("llm-ask", new Percentiles(500, 7, 8, 9, 10, 15, 40, 90)),
                      new Latency("nothing < measured", new Percentiles(0, 0, 0, 0, 0, 0, 0, 0))),
                  List.of(new Throughput("llm-ask", 0.5, List.of(0.0, 80.0, 120.0)))),
              new Measurement(
                  "insert",
                  "many rows",
                  List.of(
                      new Figure("rate", 12_345, "/s", new Target(Bound.AT_LEAST, 100), Map.of())),
                  List.of(),
                  List.of())));

  @Test
  void isAnAlignedTableWithTargetsAndWhetherTheyAreReached() {
    assertThat(Report.text(RESULT.rows()))
        .isEqualTo(
            """
            | Row     | Figure                  |     Value |     Target | Reached | Parts                     |
            | ------- | ----------------------- | --------: | ---------: | ------- | ------------------------- |
            | llm-ask | p50                     |   7.25 ms |            |         |                           |
            |         | p50 against the floor's |    2.25 x |  <= 1.50 x | no      |                           |
            |         | processor for each call |   4.75 ms | <= 5.00 ms | yes     | JVM 3.00, PostgreSQL 1.75 |
            | insert  | rate                    | 12,345 /s |  >= 100 /s | yes     |                           |

            Of 3 targets, 2 are reached.
            """);
  }

  @Test
  void saysNothingOfTargetsWhereThereAreNone() {
    assertThat(Report.text(List.of()))
        .isEqualTo(
            """
            | Row | Figure | Value | Target | Reached | Parts |
            | --- | ------ | ----: | -----: | ------- | ----- |
            """);
  }

  @Test
  void isJsonWithTheSameFigures() throws Exception {
    var json = new ObjectMapper().readTree(ReportJson.text(RESULT));

    assertThat(json.at("/plan/samples").intValue()).isEqualTo(500);
    assertThat(json.at("/rows/0/name").textValue()).isEqualTo("llm-ask");
    assertThat(json.at("/rows/0/figures/0").toString())
        .isEqualTo("{\"name\":\"p50\",\"value\":7.254,\"unit\":\"ms\",\"parts\":{}}");
    assertThat(json.at("/rows/0/figures/1").toString())
        .isEqualTo(
            "{\"name\":\"p50 against the floor's\",\"value\":2.25,\"unit\":\"x\","
                + "\"target\":{\"bound\":\"AT_MOST\",\"value\":1.5},\"parts\":{},\"reached\":false}");
    assertThat(json.at("/rows/0/figures/2/parts/PostgreSQL").doubleValue()).isEqualTo(1.75);
    assertThat(json.at("/rows/0/latencies/0/milliseconds/p999").doubleValue()).isEqualTo(40);
    assertThat(json.at("/rows/0/throughputs/0/rates/2").doubleValue()).isEqualTo(120);
  }

  @Test
  void isAPlotWithALineForEachLatencyAndThroughput() throws Exception {
    var svg = svg(RESULT.rows());
    var lines = svg.getElementsByTagName("polyline");
    assertThat(lines.getLength()).isEqualTo(3);
    assertThat(points(lines.item(0))).hasSize(7).isSorted();
    // nothing has no logarithm
    assertThat(points(lines.item(1))).isEmpty();
    assertThat(points(lines.item(2))).hasSize(2);
    assertThat(svg.getDocumentElement().getTextContent())
        .contains("Latency in ms", "Calls a second", "99.9", "nothing < measured");
  }

  @Test
  void isAnEmptyPlotWhereNothingIsToBeDrawn() throws Exception {
    var svg = svg(List.of());
    assertThat(svg.getElementsByTagName("polyline").getLength()).isZero();
  }

  private static org.w3c.dom.Document svg(List<Measurement> rows) throws Exception {
    return DocumentBuilderFactory.newNSInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(Plot.svg(rows))));
  }

  /// Where the points are, from the left.
  private static List<Double> points(org.w3c.dom.Node line) {
    var points = line.getAttributes().getNamedItem("points").getNodeValue();
    return points.isEmpty()
        ? List.of()
        : Stream.of(points.split(" ", -1))
            .map(point -> Double.valueOf(point.substring(0, point.indexOf(','))))
            .toList();
  }
}
