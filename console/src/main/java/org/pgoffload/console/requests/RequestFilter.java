package org.pgoffload.console.requests;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Visit;

/// What the list shows, as it stands in the address: values by the names of the parameters, without
/// those that are not given. Immutable.
///
/// @param values checked
public record RequestFilter(Map<String, String> values) {
  static final String KIND = "kind";
  static final String STATUS = "status";
  static final String ROLE = "role";
  static final String PROVIDER = "provider";
  static final String MODEL = "model";
  static final String TAG = "tag";
  static final String LABEL = "label";
  static final String FROM = "from";
  static final String UNTIL = "until";
  static final String ERROR = "error";
  static final String TEXT = "text";

  /// Background SQL, among the kinds of requests.
  static final String SQL = "sql";

  /// The kinds that can be chosen.
  public static final List<String> KINDS = List.of("ask", "embed", "rerank", SQL);

  /// The statuses that can be chosen.
  public static final List<String> STATUSES =
      List.of("queued", "running", "succeeded", "failed", "cancelled", "expired");

  private static final List<String> NAMES =
      List.of(KIND, STATUS, ROLE, PROVIDER, MODEL, TAG, LABEL, FROM, UNTIL, ERROR, TEXT);

  public RequestFilter {
    values = Map.copyOf(values);
    oneOf(values.get(KIND), KINDS);
    oneOf(values.get(STATUS), STATUSES);
    time(values.get(FROM));
    time(values.get(UNTIL));
  }

  /// Reads the address.
  ///
  /// @throws Problem if a value is none
  static RequestFilter of(Visit visit) {
    var values = new TreeMap<String, String>();
    NAMES.forEach(name -> visit.parameter(name).ifPresent(value -> values.put(name, value)));
    return new RequestFilter(values);
  }

  private static void oneOf(@org.jspecify.annotations.Nullable String value, List<String> allowed) {
    if (value != null && !allowed.contains(value)) {
      throw Problem.badRequest(
          "There is no " + value + " among " + String.join(", ", allowed) + ".");
    }
  }

  /// A time as a browser's field sends it, in UTC, or with an offset.
  private static Optional<Instant> time(@org.jspecify.annotations.Nullable String value) {
    if (value == null) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          value.matches(".*(Z|[+-]\\d\\d:?\\d\\d)$")
              ? OffsetDateTime.parse(value).toInstant()
              : LocalDateTime.parse(value).toInstant(ZoneOffset.UTC));
    } catch (DateTimeException e) {
      throw Problem.badRequest("A time is as 2026-01-31T18:30.");
    }
  }

  /// A value, or an empty text.
  public String value(String name) {
    return values.getOrDefault(name, "");
  }

  Optional<String> get(String name) {
    return Optional.ofNullable(values.get(name));
  }

  Optional<Instant> from() {
    return time(values.get(FROM));
  }

  Optional<Instant> until() {
    return time(values.get(UNTIL));
  }

  /// Whether anything is filtered.
  public boolean isOn() {
    return !values.isEmpty();
  }

  /// Whether it filters by what the page shows only on demand.
  public boolean usesMore() {
    return List.of(PROVIDER, MODEL, TAG, LABEL, FROM, UNTIL).stream().anyMatch(values::containsKey);
  }

  /// Whether requests to models can be among what it lets through.
  boolean takesLlm() {
    return !Objects.equals(values.get(KIND), SQL) && !values.containsKey(LABEL);
  }

  /// Whether background SQL can be.
  boolean takesSql() {
    return Objects.equals(values.getOrDefault(KIND, SQL), SQL)
        && !values.containsKey(PROVIDER)
        && !values.containsKey(MODEL);
  }

  /// The address of a list.
  ///
  /// @param more further parameters
  public String path(Map<String, String> more) {
    return path(RequestsPage.PATH, more);
  }

  /// The address of the question before all of them are cancelled or repeated.
  ///
  /// @param action `cancel` or `retry`
  public String bulkPath(String action) {
    return path(BulkPage.PATH, Map.of("action", action));
  }

  private String path(String page, Map<String, String> more) {
    var all = new TreeMap<>(values);
    all.putAll(more);
    return all.isEmpty()
        ? page
        : page
            + "?"
            + all.entrySet().stream()
                .map(each -> each.getKey() + "=" + encoded(each.getValue()))
                .collect(Collectors.joining("&"));
  }

  /// The address of the list with one other value; an empty one takes it away.
  public String with(String name, String value) {
    var changed = new TreeMap<>(values);
    if (value.isEmpty()) {
      changed.remove(name);
    } else {
      changed.put(name, value);
    }
    return new RequestFilter(changed).path(Map.of());
  }

  private static String encoded(String value) {
    return URLEncoder.encode(value, StandardCharsets.UTF_8);
  }
}
