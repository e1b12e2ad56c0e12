package org.pgoffload.console.web;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Says values as pages show them.
public final class Words {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Words() {}

  /// Milliseconds, as `850 ms`, `1.5 s` or `2 min 5 s`; null where there are none.
  public static @Nullable String duration(@Nullable Object milliseconds) {
    if (!(milliseconds instanceof Number number)) {
      return null;
    }
    double ms = number.doubleValue();
    if (ms < 1_000) {
      return Math.round(ms) + " ms";
    }
    if (ms < 60_000) {
      return String.format(Locale.ROOT, "%.1f s", ms / 1_000);
    }
    long seconds = Math.round(ms / 1_000);
    if (seconds < 3_600) {
      return seconds / 60 + " min " + seconds % 60 + " s";
    }
    return seconds < 172_800
        ? seconds / 3_600 + " h " + seconds % 3_600 / 60 + " min"
        : seconds / 86_400 + " days";
  }

  /// A number with its thousands apart.
  public static String number(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  /// The same with what it has behind the point, at most four digits.
  public static String number(BigDecimal number) {
    var form = new DecimalFormat("#,##0.####", DecimalFormatSymbols.getInstance(Locale.ROOT));
    form.setRoundingMode(RoundingMode.HALF_UP);
    return form.format(number);
  }

  /// The numbers of a JSON object, by their names.
  public static Map<String, Long> numbers(@Nullable String object) {
    var numbers = new LinkedHashMap<String, Long>();
    try {
      JSON.readTree(object == null ? "{}" : object)
          .properties()
          .forEach(each -> numbers.put(each.getKey(), each.getValue().asLong()));
      return numbers;
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the database has made no JSON", e);
    }
  }

  /// A chart for the script: `{"x": …, "labels": …, "y": …}`.
  ///
  /// @param x epoch seconds
  /// @param y values of each label
  public static String chart(List<Long> x, List<String> labels, List<List<Long>> y) {
    try {
      return JSON.writeValueAsString(Map.of("x", x, "labels", labels, "y", y));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("numbers are JSON", e);
    }
  }
}
