package org.pgoffload.worker.vendors.http;

import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The address of an API, whose calls go to paths below it. Its query, which some gateways want
/// (`?api-version=2024-10-21`), goes with every call. Its text form leaves the query out: it may
/// hold a key.
///
/// @param uri absolute, http or https, with a host, without user and fragment; kept without a slash
///   at the end of its path
public record BaseUrl(URI uri) {
  private static final Pattern SECRET_NAME =
      Pattern.compile("key|token|sig|secret|pass|auth|code|cred", Pattern.CASE_INSENSITIVE);

  public BaseUrl {
    var scheme = Objects.requireNonNullElse(uri.getScheme(), "").toLowerCase(Locale.ROOT);
    if (!scheme.equals("http") && !scheme.equals("https")) {
      throw new IllegalArgumentException("an API is at an http or https address");
    }
    if (HostAndPort.of(uri) == null || uri.getRawFragment() != null) {
      throw new IllegalArgumentException("the address of an API is a host, a path and a query");
    }
    uri = URI.create(uri.toString().replaceFirst("^([^?]*?)/+(\\?.*)?$", "$1$2"));
  }

  /// Of a text.
  ///
  /// @throws IllegalArgumentException if it is no such address
  public static BaseUrl of(String text) {
    return new BaseUrl(URI.create(text));
  }

  public String host() {
    return hostAndPort().host();
  }

  private HostAndPort hostAndPort() {
    return Objects.requireNonNull(HostAndPort.of(uri));
  }

  public String withoutQuery() {
    return uri.toString().split("\\?", 2)[0];
  }

  /// Whether calls go to the same server and path, whatever the queries.
  public boolean isAt(BaseUrl other) {
    return withoutQuery().equals(other.withoutQuery());
  }

  /// Where to call.
  ///
  /// @param path below the address, perhaps with a query of its own, which precedes the address's
  public URI at(String path) {
    var query = uri.getRawQuery();
    var called = withoutQuery() + path;
    return URI.create(
        query == null || query.isEmpty()
            ? called
            : called + (path.contains("?") ? "&" : "?") + query);
  }

  /// The address with more behind its path.
  public BaseUrl below(String path) {
    return new BaseUrl(at(path));
  }

  /// What of the query no error may show: the values whose names say so.
  public List<String> secrets() {
    return query()
        .filter(parameter -> SECRET_NAME.matcher(parameter[0]).find())
        .flatMap(parameter -> Stream.of(parameter[1], decoded(parameter[1])))
        .distinct()
        .toList();
  }

  private Stream<String[]> query() {
    var query = uri.getRawQuery();
    return query == null
        ? Stream.empty()
        : Arrays.stream(query.split("&", -1))
            .map(parameter -> parameter.split("=", 2))
            .filter(parameter -> parameter.length == 2);
  }

  private static String decoded(String value) {
    return Objects.requireNonNull(URI.create("?" + value).getQuery());
  }

  @Override
  public String toString() {
    return withoutQuery();
  }
}
