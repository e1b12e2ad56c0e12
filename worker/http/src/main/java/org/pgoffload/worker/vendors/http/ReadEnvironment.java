package org.pgoffload.worker.vendors.http;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Environment;
import org.pgoffload.protocol.Secret;

/// The settings of the model vendors: keys, addresses of APIs and lengths of time. Used by one
/// thread, for one reading.
public final class ReadEnvironment extends Environment {
  public ReadEnvironment(Map<String, String> environment) {
    super(environment);
  }

  /// The same environment, to be read for another purpose: its problems are its own.
  public ReadEnvironment anew() {
    return new ReadEnvironment(variables());
  }

  /// Whether the secret is given in either way.
  public boolean hasSecret(String name) {
    return has(name) || has(name + FILE);
  }

  /// The value without blanks around it, or null where it is unset or blank.
  @Override
  public @Nullable String text(String name) {
    var value = super.text(name);
    return value == null ? null : value.strip();
  }

  /// The first that is set of several names for one key; each also as `NAME_FILE`, the path of a
  /// file that holds it. Two that differ are a problem, since one of them would go unused.
  public @Nullable Secret key(String... names) {
    var found =
        Arrays.stream(names)
            .flatMap(name -> Stream.of(name, name + FILE))
            .filter(this::has)
            .toList();
    var values = new ArrayList<Secret>();
    for (var name : found) {
      var value = name.endsWith(FILE) ? content(name) : text(name);
      if (value != null && isHeaderValue(name, value)) {
        values.add(Secret.of(value));
      }
    }
    if (values.stream().distinct().count() > 1) {
      problem(String.join(" and ", found) + " differ: set one of them");
    }
    return values.isEmpty() ? null : values.getFirst();
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

  /// As [#duration], but zero is a problem, and so is more than a day.
  public Duration positiveDuration(String name, Duration otherwise) {
    var duration = duration(name, otherwise);
    if (duration.isPositive() && duration.compareTo(Duration.ofDays(1)) <= 0) {
      return duration;
    }
    problem(name + " must be longer than zero and at most a day");
    return otherwise;
  }

  /// A whole number above zero.
  public int positiveInt(String name, int otherwise) {
    return integer(name, otherwise, 1, Integer.MAX_VALUE);
  }
}
