package org.pgoffload.console.usage;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.pgoffload.console.web.Visit;

/// Whose usage of what, over which span. It stands in the address.
public record UsageFilter(Span span, Map<String, String> values) {
  private static final List<String> NAMES = List.of("role", "provider", "model");

  static UsageFilter of(Visit visit) {
    var values = new TreeMap<String, String>();
    for (var name : NAMES) {
      visit.parameter(name).ifPresent(value -> values.put(name, value));
    }
    return new UsageFilter(Span.of(visit.parameter("over").orElse("day")), values);
  }

  /// The value of a parameter, or empty.
  public String value(String name) {
    return values.getOrDefault(name, "");
  }

  /// The spans to choose from.
  public List<Span> spans() {
    return Span.ALL;
  }

  /// The address of the same filter over another span.
  public String over(Span other) {
    return path(other, values);
  }

  /// The address of this filter with a value, or without it where it is empty.
  public String with(String name, String value) {
    var changed = new TreeMap<>(values);
    if (value.isEmpty()) {
      changed.remove(name);
    } else {
      changed.put(name, value);
    }
    return path(span, changed);
  }

  private static String path(Span span, Map<String, String> values) {
    return UsagePage.PATH
        + "?over="
        + span.name()
        + values.entrySet().stream()
            .map(each ->
                "&"
                    + each.getKey()
                    + "="
                    + URLEncoder.encode(each.getValue(), StandardCharsets.UTF_8))
            .collect(Collectors.joining());
  }
}
