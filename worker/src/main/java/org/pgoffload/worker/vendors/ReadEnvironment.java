package org.pgoffload.worker.vendors;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.vendors.http.BaseUrl;

/// Reads typed values from an environment and collects every problem instead of stopping at the
/// first. An empty variable counts as unset. A problem names the variable and what it takes, never
/// its value. Used by one thread, for one reading.
public final class ReadEnvironment {
  private static final Pattern SHORT_DURATION = Pattern.compile("(\\d{1,12})\\s*(ms|s|m|h)");

  private final Map<String, String> environment;
  private final List<String> problems = new ArrayList<>();

  public ReadEnvironment(Map<String, String> environment) {
    this.environment = Map.copyOf(environment);
  }

  /// The same environment, to be read for another purpose: its problems are its own.
  public ReadEnvironment anew() {
    return new ReadEnvironment(environment);
  }

  /// What is wrong so far, in the order in which it was read.
  public List<String> problems() {
    return List.copyOf(problems);
  }

  public void problem(String problem) {
    problems.add(problem);
  }

  public boolean has(String name) {
    return text(name) != null;
  }

  /// Whether the secret is given in either way.
  public boolean hasSecret(String name) {
    return has(name) || has(name + "_FILE");
  }

  public @Nullable String text(String name) {
    var value = environment.get(name);
    return value == null || value.isBlank() ? null : value.strip();
  }

  public String text(String name, String otherwise) {
    var value = text(name);
    return value == null ? otherwise : value;
  }

  /// The first that is set of several names for one key; each also as `NAME_FILE`, the path of a
  /// file that holds it. Two that differ are a problem, since one of them would go unused.
  public @Nullable Secret secret(String... names) {
    var found =
        Arrays.stream(names)
            .flatMap(name -> Stream.of(name, name + "_FILE"))
            .filter(this::has)
            .toList();
    var values = new ArrayList<Secret>();
    for (var name : found) {
      var value = name.endsWith("_FILE") ? content(name) : text(name);
      if (value != null && isHeaderValue(name, value)) {
        values.add(Secret.of(value));
      }
    }
    if (values.stream().distinct().count() > 1) {
      problem(String.join(" and ", found) + " differ: set one of them");
    }
    return values.isEmpty() ? null : values.getFirst();
  }

  private @Nullable String content(String name) {
    try {
      var content = Files.readString(Path.of(text(name, ""))).strip();
      if (!content.isEmpty()) {
        return content;
      }
      problem(name + " names an empty file: it should hold the key and nothing else");
    } catch (IOException | InvalidPathException unreadable) {
      problem(name + " names a file that cannot be read: it should hold the key and nothing else");
    }
    return null;
  }

  private boolean isHeaderValue(String name, String value) {
    if (value.chars().allMatch(character -> character > ' ' && character < 0x7f)) {
      return true;
    }
    problem(name + " holds blanks or characters that no key has: give the key and nothing else");
    return false;
  }

  /// The address of an API; null where it is unset or wrong.
  public @Nullable BaseUrl url(String name) {
    var value = text(name);
    return value == null ? null : url(name, value);
  }

  /// The same of a value that was completed.
  public @Nullable BaseUrl url(String name, String value) {
    try {
      var url = BaseUrl.of(value);
      if ("https".equalsIgnoreCase(url.uri().getScheme()) && url.uri().getHost() == null) {
        problem(
            name
                + " has a host that no certificate can name, such as one with an underscore: give"
                + " it another name, or use http");
        return null;
      }
      return url;
    } catch (IllegalArgumentException notUrl) {
      // Told below, without the value.
    }
    problem(
        name
            + " is no address of an API: set it to http(s)://host[:port][/path][?query], without"
            + " user or fragment");
    return null;
  }

  public BaseUrl url(String name, BaseUrl otherwise) {
    var url = url(name);
    return url == null ? otherwise : url;
  }

  /// ISO-8601 (`PT1.5S`) or a whole number with a unit (`250ms`, `30s`, `5m`, `1h`).
  public Duration duration(String name, Duration otherwise) {
    var value = text(name);
    if (value == null) {
      return otherwise;
    }
    var written = SHORT_DURATION.matcher(value.toLowerCase(Locale.ROOT));
    if (written.matches()) {
      var amount = Long.parseLong(written.group(1));
      return switch (written.group(2)) {
        case "ms" -> Duration.ofMillis(amount);
        case "s" -> Duration.ofSeconds(amount);
        case "m" -> Duration.ofMinutes(amount);
        default -> Duration.ofHours(amount);
      };
    }
    try {
      var duration = Duration.parse(value);
      if (!duration.isNegative()) {
        return duration;
      }
    } catch (DateTimeParseException notDuration) {
      // Told below.
    }
    problem(name + " is no duration: set it to one such as 250ms, 30s, 5m or PT1.5S");
    return otherwise;
  }

  /// As [#duration], but zero is a problem, and so is more than a day.
  public Duration positiveDuration(String name, Duration otherwise) {
    var duration = duration(name, otherwise);
    if (duration.isPositive() && duration.compareTo(Duration.ofDays(1)) <= 0) {
      return duration;
    }
    problem(name + " must be longer than zero and at most a day");
    return otherwise;
  }

  public int positiveInt(String name, int otherwise) {
    var value = text(name);
    if (value == null) {
      return otherwise;
    }
    try {
      var number = Integer.parseInt(value);
      if (number > 0) {
        return number;
      }
    } catch (NumberFormatException notNumber) {
      // Told below.
    }
    problem(name + " is no whole number from 1 to " + Integer.MAX_VALUE);
    return otherwise;
  }

  /// One of an enum's constants, by its name in lower case.
  public <E extends Enum<E>> E choice(String name, Class<E> type, E otherwise) {
    var value = text(name);
    if (value == null) {
      return otherwise;
    }
    var constants = type.getEnumConstants();
    for (var constant : constants) {
      if (constant.name().equalsIgnoreCase(value)) {
        return constant;
      }
    }
    var allowed =
        Arrays.stream(constants)
            .map(constant -> constant.name().toLowerCase(Locale.ROOT))
            .collect(Collectors.joining(", "));
    problem(name + " must be one of: " + allowed);
    return otherwise;
  }
}
