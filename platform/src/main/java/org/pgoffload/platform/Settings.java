package org.pgoffload.platform;

import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// The settings that parts and commands have in common: the databases, Kafka and the topics.
///
/// Not safe to share between threads.
public final class Settings extends Environment {
  /// The variable that [#taskDatabase()] reads.
  public static final String TASK_DATABASE = "PGOFFLOAD_SQL_DATABASE_URL";

  private static final String KAFKA = "KAFKA_";
  private static final String PASSWORD = "PGPASSWORD";

  /// The login of an address whose login is not used.
  private static final String NOBODY = "nobody";

  /// Variables of Kafka's own scripts, which are no client properties.
  private static final Set<String> OF_KAFKAS_SCRIPTS =
      Set.of(
          "KAFKA_OPTS",
          "KAFKA_HEAP_OPTS",
          "KAFKA_JVM_PERFORMANCE_OPTS",
          "KAFKA_LOG4J_OPTS",
          "KAFKA_GC_LOG_OPTS",
          "KAFKA_JMX_OPTS",
          "KAFKA_HOME");

  /// @param environment as `System.getenv()` gives it, options of the command line put over it
  public Settings(Map<String, String> environment) {
    super(environment);
  }

  /// The names of the topics.
  public TopicNames topics() {
    try {
      return new TopicNames(text("PGOFFLOAD_TOPIC_PREFIX", TopicNames.DEFAULT_PREFIX));
    } catch (IllegalArgumentException e) {
      problem("PGOFFLOAD_TOPIC_PREFIX: " + e.getMessage());
      return new TopicNames(TopicNames.DEFAULT_PREFIX);
    }
  }

  /// The database, from the first of these that is set: the part's own URL, DATABASE_URL, libpq's
  /// own variables. As in libpq, the variables also say what a URL leaves out.
  ///
  /// @param part `PRODUCER`, `WORKER` or `RESULTS`, whose own variable is
  ///   `PGOFFLOAD_<part>_DATABASE_URL`; null for the installer
  public @Nullable DatabaseAddress database(@Nullable String part) {
    var own = part == null ? null : "PGOFFLOAD_" + part + "_DATABASE_URL";
    var ownUrl = own == null ? null : secret(own);
    if (own != null && ownUrl != null) {
      return database(own, ownUrl, libpqVariables());
    }
    var url = secret("DATABASE_URL");
    if (url != null) {
      return database("DATABASE_URL", url, libpqVariables());
    }
    if (!hasHost()) {
      problem(
          "no database: set DATABASE_URL"
              + (own == null ? "" : " (or " + own + ")")
              + " to postgresql://user:password@host:port/database, or libpq's PGHOST, PGPORT, PGUSER,"
              + " PGPASSWORD and PGDATABASE");
      return null;
    }
    var variables = libpqVariables();
    variables.putIfAbsent("PGUSER", text("USER", "postgres"));
    return database("PGHOST and the other PG… variables", null, variables);
  }

  /// Whether something says where the database is, beside a part's own variable.
  public boolean hasDatabase() {
    return secret("DATABASE_URL") != null || hasHost();
  }

  private boolean hasHost() {
    return text("PGHOST") != null || text("PGHOSTADDR") != null;
  }

  /// The database for a part that has no login of its own: its readers bring theirs. A login in the
  /// address is not used.
  ///
  /// @param own the part's own variable, before DATABASE_URL and libpq's
  public @Nullable DatabaseAddress databaseOfReaders(String own) {
    var name = has(own) || has(own + FILE) ? own : "DATABASE_URL";
    var url = secret(name);
    var variables = libpqVariables();
    variables.keySet().removeAll(Set.of("PGUSER", PASSWORD, "PGPASSFILE"));
    if (url == null && !has("PGHOST") && !has("PGHOSTADDR")) {
      problem("no database: set " + own + " to postgresql://host:port/database");
      return null;
    }
    variables.put("PGUSER", NOBODY);
    var address = database(name, url, variables);
    if (address == null) {
      return null;
    }
    if (address.database().equals(NOBODY)) {
      problem(name + ": it must name the database");
    }
    return address.as(NOBODY, null);
  }

  private @Nullable DatabaseAddress database(
      String name, @Nullable Secret url, Map<String, String> variables) {
    try {
      return DatabaseAddress.read(url == null ? null : url.reveal(), variables);
    } catch (IllegalArgumentException e) {
      problem(name + ": " + e.getMessage());
      return null;
    }
  }

  /// Where the worker runs background SQL, or null if nothing says so.
  public @Nullable TaskDatabase taskDatabase() {
    var url = secret(TASK_DATABASE);
    if (url == null) {
      return null;
    }
    try {
      return TaskDatabase.read(url.reveal(), libpqVariables());
    } catch (IllegalArgumentException e) {
      problem(TASK_DATABASE + ": " + e.getMessage());
      return null;
    }
  }

  /// The variables of libpq that are set.
  private Map<String, String> libpqVariables() {
    var variables = new TreeMap<String, String>();
    for (var variable : DatabaseAddress.VARIABLES) {
      var value = variable.equals(PASSWORD) ? revealed(PASSWORD) : text(variable);
      if (value != null) {
        variables.put(variable, value);
      }
    }
    return variables;
  }

  private @Nullable String revealed(String name) {
    var secret = secret(name);
    return secret == null ? null : secret.reveal();
  }

  /// Kafka's client properties: each `KAFKA_X_Y` is the property `x.y`, and each `KAFKA_X_Y_FILE`
  /// names the file that holds it.
  public Map<String, Object> kafka() {
    var properties = new TreeMap<String, Object>();
    for (var variable : variables().keySet()) {
      if (variable.startsWith(KAFKA) && !OF_KAFKAS_SCRIPTS.contains(variable)) {
        var name =
            variable.endsWith(FILE)
                ? variable.substring(0, variable.length() - FILE.length())
                : variable;
        var value = secret(name);
        if (value != null) {
          properties.put(
              name.substring(KAFKA.length()).toLowerCase(Locale.ROOT).replace('_', '.'),
              value.reveal());
        }
      }
    }
    if (!properties.containsKey("default.api.timeout.ms")) {
      // A broker that has vanished without a word is given up after 10 s; by default after 30 s.
      properties.putIfAbsent("request.timeout.ms", "10000");
    }
    if (!properties.containsKey("bootstrap.servers")) {
      problem("no Kafka: set KAFKA_BOOTSTRAP_SERVERS to host:port of one or more brokers");
    } else if (!String.valueOf(properties.get("bootstrap.servers"))
        .matches("\\s*[^,:\\s]+:\\d{1,5}\\s*(,\\s*[^,:\\s]+:\\d{1,5}\\s*)*|.*\\[.*")) {
      problem("KAFKA_BOOTSTRAP_SERVERS must be host:port, several separated by commas");
    }
    return properties;
  }
}
