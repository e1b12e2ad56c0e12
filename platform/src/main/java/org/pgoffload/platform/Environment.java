package org.pgoffload.platform;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;

/// Reads typed values of environment variables and collects every problem, so that all are reported
/// at once. An empty variable counts as unset. A problem names the variable and the values that it
/// takes, and never the value it has: that may be a secret in the wrong place.
///
/// Not safe to share between threads.
public class Environment {
  /// Appended to the name of a secret's variable, it names a file that holds the secret.
  protected static final String FILE = "_FILE";

  private final Map<String, String> variables;
  private final List<String> problems = new ArrayList<>();

  /// @param variables as `System.getenv()` gives them, options of the command line put over them
  public Environment(Map<String, String> variables) {
    this.variables = Map.copyOf(variables);
  }

  /// All variables, also those that nothing here reads.
  public final Map<String, String> variables() {
    return variables;
  }

  /// Adds a problem.
  public final void problem(String problem) {
    problems.add(problem);
  }

  /// The problems so far, in the order of reading.
  public final List<String> problems() {
    return List.copyOf(problems);
  }

  /// Throws if there is a problem so far.
  ///
  /// @throws ConfigurationException with every problem
  public final void check() {
    if (!problems.isEmpty()) {
      throw new ConfigurationException(problems);
    }
  }

  /// Whether the variable is set and not blank.
  public final boolean has(String name) {
    return text(name) != null;
  }

  /// The value, or null where it is unset or blank.
  public @Nullable String text(String name) {
    var value = variables.get(name);
    return value == null || value.isBlank() ? null : value;
  }

  /// The value, or the default.
  public final String text(String name, String otherwise) {
    var value = text(name);
    return value == null ? otherwise : value;
  }

  /// A name that has to be of a form.
  ///
  /// @param form what it has to be, in words
  public final String name(String name, String otherwise, String pattern, String form) {
    var value = text(name, otherwise);
    if (!value.matches(pattern)) {
      problem(name + " must be " + form);
    }
    return value;
  }

  /// A secret: the variable, or the file that `<name>_FILE` names.
  public final @Nullable Secret secret(String name) {
    var value = text(name);
    if (value == null && has(name + FILE)) {
      value = content(name + FILE);
    }
    return value == null ? null : Secret.of(value);
  }

  /// The content of the file that the variable names, without blanks around it; null where the file
  /// cannot be read or is empty, which is a problem.
  protected final @Nullable String content(String name) {
    try {
      var content = Files.readString(Path.of(text(name, ""))).strip();
      if (!content.isEmpty()) {
        return content;
      }
    } catch (IOException | IllegalArgumentException e) {
      // told below
    }
    problem(
        name + " names a file that cannot be read or is empty: it should hold the secret alone");
    return null;
  }

  /// A whole number within bounds.
  public final int integer(String name, int otherwise, int least, int most) {
    return (int) number(name, otherwise, least, most);
  }

  /// A whole number within bounds.
  public final long number(String name, long otherwise, long least, long most) {
    return parse(
        name,
        otherwise,
        "a whole number from " + least + " to " + most,
        value ->
            Optional.of(Long.parseLong(value))
                .filter(number -> number >= least && number <= most)
                .orElseThrow(IllegalArgumentException::new));
  }

  /// A length of time, zero or longer.
  public final Duration duration(String name, Duration otherwise) {
    return parse(
        name, otherwise, "a duration such as 500ms, 30s, 5m or PT1.5S", Environment::parseDuration);
  }

  /// Reads a duration such as `500ms`, `30s`, `5m` or `PT1.5S`.
  ///
  /// @throws IllegalArgumentException or [java.time.DateTimeException] if it is none
  public static Duration parseDuration(String value) {
    var lower = value.toLowerCase(Locale.ROOT).replace(" ", "");
    var duration =
        lower.endsWith("ms")
            ? Duration.ofMillis(Long.parseLong(lower.substring(0, lower.length() - 2)))
            : Duration.parse(lower.startsWith("p") ? lower : "pt" + lower);
    if (duration.isNegative()) {
      throw new IllegalArgumentException();
    }
    return duration;
  }

  /// One of an enum's constants, by its name in lower case.
  public final <E extends Enum<E>> E choice(String name, Class<E> type, E otherwise) {
    var words =
        Arrays.stream(type.getEnumConstants())
            .map(constant -> constant.name().toLowerCase(Locale.ROOT))
            .collect(Collectors.joining(", "));
    return parse(
        name,
        otherwise,
        "one of: " + words,
        value -> Enum.valueOf(type, value.toUpperCase(Locale.ROOT)));
  }

  private <T> T parse(String name, T otherwise, String form, Function<String, T> parser) {
    var value = text(name);
    if (value == null) {
      return otherwise;
    }
    try {
      return parser.apply(value.strip());
    } catch (IllegalArgumentException | DateTimeException e) {
      problem(name + " must be " + form);
      return otherwise;
    }
  }
}
