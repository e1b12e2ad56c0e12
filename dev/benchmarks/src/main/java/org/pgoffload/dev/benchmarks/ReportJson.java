package org.pgoffload.dev.benchmarks;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// The figures as JSON, for programs: the records of [BenchmarkResult], and of each figure with a
/// target whether it is `reached`. A pure function.
public final class ReportJson {
  private ReportJson() {}

  public static String text(BenchmarkResult result) {
    var mapper = new ObjectMapper();
    ObjectNode whole = mapper.valueToTree(result);
    for (int row = 0; row < result.rows().size(); row++) {
      var figures = result.rows().get(row).figures();
      for (int i = 0; i < figures.size(); i++) {
        var figure = (ObjectNode) whole.at("/rows/" + row + "/figures/" + i);
        var reached = figures.get(i).reached();
        if (reached == null) {
          figure.remove("target");
        } else {
          figure.put("reached", reached);
        }
      }
    }
    try {
      return mapper.writerWithDefaultPrettyPrinter().writeValueAsString(whole) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("numbers and texts always make JSON", e);
    }
  }
}
