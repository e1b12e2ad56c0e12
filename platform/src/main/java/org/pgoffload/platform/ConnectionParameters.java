package org.pgoffload.platform;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.postgresql.PGProperty;

/// Translates each connection parameter of libpq: the driver has another name for it, another unit,
/// or no such parameter. A parameter without a counterpart in the driver is refused: dropped in
/// silence, it could leave a connection less secure than its address says.
///
/// The driver's own parameters are taken under their own names, except those that a part of
/// pgoffload sets itself.
///
/// Longer than 300 lines because libpq has more than forty parameters, and their rules depend on
/// one another.
final class ConnectionParameters {
  /// Where libpq finds each parameter that an address leaves out.
  static final Map<String, String> VARIABLES =
      Map.ofEntries(
          Map.entry("PGHOST", "host"),
          Map.entry("PGHOSTADDR", "hostaddr"),
          Map.entry("PGPORT", "port"),
          Map.entry("PGDATABASE", "dbname"),
          Map.entry("PGUSER", "user"),
          Map.entry("PGPASSWORD", "password"),
          Map.entry("PGSERVICE", "service"),
          Map.entry("PGOPTIONS", "options"),
          Map.entry("PGAPPNAME", "application_name"),
          Map.entry("PGCLIENTENCODING", "client_encoding"),
          Map.entry("PGCONNECT_TIMEOUT", "connect_timeout"),
          Map.entry("PGREQUIREAUTH", "require_auth"),
          Map.entry("PGCHANNELBINDING", "channel_binding"),
          Map.entry("PGSSLMODE", "sslmode"),
          Map.entry("PGREQUIRESSL", "requiressl"),
          Map.entry("PGSSLNEGOTIATION", "sslnegotiation"),
          Map.entry("PGSSLCOMPRESSION", "sslcompression"),
          Map.entry("PGSSLCERT", "sslcert"),
          Map.entry("PGSSLKEY", "sslkey"),
          Map.entry("PGSSLCERTMODE", "sslcertmode"),
          Map.entry("PGSSLROOTCERT", "sslrootcert"),
          Map.entry("PGSSLCRL", "sslcrl"),
          Map.entry("PGSSLCRLDIR", "sslcrldir"),
          Map.entry("PGSSLSNI", "sslsni"),
          Map.entry("PGREQUIREPEER", "requirepeer"),
          Map.entry("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
          Map.entry("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
          Map.entry("PGMINPROTOCOLVERSION", "min_protocol_version"),
          Map.entry("PGMAXPROTOCOLVERSION", "max_protocol_version"),
          Map.entry("PGGSSENCMODE", "gssencmode"),
          Map.entry("PGKRBSRVNAME", "krbsrvname"),
          Map.entry("PGGSSLIB", "gsslib"),
          Map.entry("PGGSSDELEGATION", "gssdelegation"),
          Map.entry("PGTARGETSESSIONATTRS", "target_session_attrs"),
          Map.entry("PGLOADBALANCEHOSTS", "load_balance_hosts"));

  private static final Set<String> AUTHENTICATION_METHODS =
      Set.of("password", "md5", "gss", "sspi", "scram-sha-256", "none");

  private static final Set<String> ENCRYPTED = Set.of("require", "verify-ca", "verify-full");

  /// The driver's, of which a part depends on the values that it gives them itself.
  private static final Set<String> OURS =
      Set.of(
          "PGHOST",
          "PGPORT",
          "PGDBNAME",
          "assumeMinServerVersion",
          "currentSchema",
          "preferQueryMode",
          "protocolVersion",
          "readOnly",
          "readOnlyMode");

  /// The treatment of a parameter.
  private sealed interface Rule {
    /// The driver has the same under this name.
    record Same(String property) implements Rule {}

    /// The driver has the same for these values, under this name and by these words.
    record Words(String property, Map<String, String> words, String otherwise) implements Rule {}

    /// These values say what is so in any case; any other one would be dropped.
    record AsItIs(Set<String> values, String otherwise) implements Rule {}

    /// The driver has nothing like it.
    record Refused(String whatToDo) implements Rule {}

    /// Several things are done.
    record Apart() implements Rule {}
  }

  private static Rule words(String property, String... words) {
    var same = new TreeMap<String, String>();
    for (var word : words) {
      same.put(word, word);
    }
    return new Rule.Words(property, same, "it is one of " + String.join(", ", words));
  }

  private static final String WRITES =
      "pgoffload writes wherever it connects: read-write, primary or any";
  private static final String NO_OAUTH =
      "the JDBC driver knows no OAuth: use a password or a certificate";
  private static final String SYSTEMS_KEEPALIVES =
      "the JDBC driver leaves it to the system, such as Linux's net.ipv4.tcp_keepalive_time: leave it out";

  private static final Map<String, Rule> RULES =
      Map.ofEntries(
          Map.entry(
              "hostaddr", new Rule.Refused("give the address, or the name alone, as the host")),
          Map.entry("passfile", new Rule.Refused("name the file in the variable PGPASSFILE")),
          Map.entry(
              "service",
              new Rule.Refused(
                  "write what the service stands for into the address or the variables")),
          Map.entry(
              "servicefile",
              new Rule.Refused("write what the service stands for into the address")),
          Map.entry("require_auth", new Rule.Apart()),
          Map.entry("channel_binding", words("channelBinding", "disable", "prefer", "require")),
          Map.entry("connect_timeout", new Rule.Apart()),
          Map.entry(
              "client_encoding",
              new Rule.AsItIs(
                  Set.of("UTF8", "UTF-8", "utf8", "utf-8", "UNICODE", "unicode", "auto"),
                  "pgoffload speaks UTF8: leave it out")),
          Map.entry("options", new Rule.Same("options")),
          Map.entry("application_name", new Rule.Same("ApplicationName")),
          // every session has a name
          Map.entry("fallback_application_name", new Rule.Apart()),
          Map.entry(
              "keepalives",
              new Rule.Words("tcpKeepAlive", Map.of("0", "false", "1", "true"), "it is 0 or 1")),
          Map.entry("keepalives_idle", new Rule.Refused(SYSTEMS_KEEPALIVES)),
          Map.entry("keepalives_interval", new Rule.Refused(SYSTEMS_KEEPALIVES)),
          Map.entry("keepalives_count", new Rule.Refused(SYSTEMS_KEEPALIVES)),
          Map.entry(
              "tcp_user_timeout",
              new Rule.AsItIs(
                  Set.of("0"),
                  "the JDBC driver cannot set it: leave it out; each part gives up a silent server by"
                      + " itself")),
          Map.entry("replication", new Rule.Refused("the producer asks for it where it needs it")),
          Map.entry("gssencmode", words("gssEncMode", "disable", "prefer", "require")),
          Map.entry(
              "sslmode",
              words(
                  "sslmode", "disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
          Map.entry("requiressl", new Rule.Refused("use sslmode=require, or better verify-full")),
          Map.entry("sslnegotiation", new Rule.Apart()),
          Map.entry(
              "sslcompression",
              new Rule.AsItIs(Set.of("0"), "the JDBC driver compresses nothing: leave it out")),
          Map.entry("sslcert", new Rule.Same("sslcert")),
          Map.entry("sslkey", new Rule.Same("sslkey")),
          Map.entry("sslpassword", new Rule.Same("sslpassword")),
          Map.entry(
              "sslcertmode",
              new Rule.AsItIs(
                  Set.of("allow"),
                  "the JDBC driver sends a certificate where it has one and the server asks: leave it"
                      + " out")),
          Map.entry("sslrootcert", new Rule.Apart()),
          Map.entry(
              "sslcrl",
              new Rule.Refused(
                  "the JDBC driver reads no revocation list: let a certificate authority of your own sign, and leave it out")),
          Map.entry(
              "sslcrldir",
              new Rule.Refused(
                  "the JDBC driver reads no revocation list: let a certificate authority of your own sign, and leave it out")),
          Map.entry("sslkeylogfile", new Rule.Refused("the JDBC driver writes none: leave it out")),
          Map.entry(
              "sslsni",
              new Rule.AsItIs(
                  Set.of("1"), "Java always sends the name of the server: leave it out")),
          Map.entry(
              "requirepeer",
              new Rule.Refused(
                  "it is for socket directories, which the JDBC driver cannot use: leave it out")),
          Map.entry(
              "ssl_min_protocol_version",
              new Rule.AsItIs(
                  Set.of("TLSv1", "TLSv1.1", "TLSv1.2"),
                  "Java's least version is TLSv1.2, which this parameter cannot raise: set"
                      + " -Djdk.tls.client.protocols=TLSv1.3 in PGOFFLOAD_JAVA_OPTS, or"
                      + " ssl_min_protocol_version in the server, and leave it out")),
          Map.entry(
              "ssl_max_protocol_version",
              new Rule.AsItIs(
                  Set.of("TLSv1.3"),
                  "set -Djdk.tls.client.protocols in PGOFFLOAD_JAVA_OPTS, and leave it out")),
          Map.entry(
              "min_protocol_version",
              new Rule.AsItIs(Set.of("3.0"), "the JDBC driver speaks 3.0: leave it out")),
          Map.entry(
              "max_protocol_version",
              new Rule.AsItIs(
                  Set.of("3.0", "3.2", "latest"), "the JDBC driver speaks 3.0: leave it out")),
          Map.entry("krbsrvname", new Rule.Same("kerberosServerName")),
          Map.entry("gsslib", words("gsslib", "gssapi", "sspi", "auto")),
          Map.entry(
              "gssdelegation",
              new Rule.AsItIs(Set.of("0"), "the JDBC driver delegates nothing: leave it out")),
          Map.entry(
              "scram_client_key", new Rule.Refused("the JDBC driver takes a password: use that")),
          Map.entry(
              "scram_server_key", new Rule.Refused("the JDBC driver takes a password: use that")),
          Map.entry(
              "target_session_attrs",
              new Rule.Words(
                  "targetServerType",
                  Map.of("any", "any", "read-write", "primary", "primary", "primary"),
                  WRITES)),
          Map.entry(
              "load_balance_hosts",
              new Rule.Words(
                  "loadBalanceHosts",
                  Map.of("disable", "false", "random", "true"),
                  "it is disable or random")),
          Map.entry("oauth_issuer", new Rule.Refused(NO_OAUTH)),
          Map.entry("oauth_client_id", new Rule.Refused(NO_OAUTH)),
          Map.entry("oauth_client_secret", new Rule.Refused(NO_OAUTH)),
          Map.entry("oauth_scope", new Rule.Refused(NO_OAUTH)));

  private final Map<String, String> parameters;
  private final int servers;
  private final Map<String, String> properties = new TreeMap<>();
  private final List<String> problems = new ArrayList<>();

  private ConnectionParameters(Map<String, String> parameters, int servers) {
    this.parameters = parameters;
    this.servers = servers;
  }

  /// The driver's properties for libpq's parameters.
  ///
  /// @param servers how many the address names
  /// @throws IllegalArgumentException with every parameter that cannot be honoured, and what to do
  static Map<String, String> properties(Map<String, String> parameters, int servers) {
    var reading = new ConnectionParameters(parameters, servers);
    parameters.forEach(reading::read);
    if (!reading.problems.isEmpty()) {
      throw new IllegalArgumentException(String.join("; ", reading.problems));
    }
    // as in libpq, an authority that is named is asked; the driver would pass it over
    if (parameters.containsKey("sslrootcert")) {
      reading.properties.replace("sslmode", "require", "verify-ca");
    }
    if (servers > 1) {
      // of several servers the one that takes writes is meant, whatever else may be connected to
      reading.properties.put("targetServerType", "primary");
    }
    return reading.properties;
  }

  private void read(String name, String value) {
    var rule = RULES.get(name);
    if (rule == null) {
      if (PGProperty.forName(name) == null || OURS.contains(name)) {
        problems.add("the connection parameter " + name + " is not known: leave it out");
      } else {
        properties.put(name, value);
      }
      return;
    }
    switch (rule) {
      case Rule.Same same -> properties.put(same.property, value);
      case Rule.Words words -> {
        var word = words.words.get(value);
        if (word == null) {
          refuse(name, value, words.otherwise);
        } else {
          properties.put(words.property, word);
        }
      }
      case Rule.AsItIs asItIs -> {
        if (!asItIs.values.contains(value)) {
          refuse(name, value, asItIs.otherwise);
        }
      }
      case Rule.Refused refused ->
          problems.add(
              "the connection parameter " + name + " cannot be honoured: " + refused.whatToDo);
      case Rule.Apart _ -> readApart(name, value);
    }
  }

  private void readApart(String name, String value) {
    switch (name) {
      case "connect_timeout" -> readConnectTimeout(value);
      case "require_auth" -> {
        for (var method : value.split(",", -1)) {
          if (!AUTHENTICATION_METHODS.contains(method.strip().replaceFirst("^!", ""))) {
            refuse(
                name, value, "the JDBC driver knows " + String.join(", ", AUTHENTICATION_METHODS));
          }
        }
        properties.put("requireAuth", value);
      }
      case "sslnegotiation" -> {
        if (!Set.of("postgres", "direct").contains(value)) {
          refuse(name, value, "it is postgres or direct");
        } else if (value.equals("direct")
            && !ENCRYPTED.contains(parameters.getOrDefault("sslmode", "prefer"))) {
          refuse(name, value, "it needs an sslmode of require, verify-ca or verify-full");
        }
        properties.put("sslNegotiation", value);
      }
      case "sslrootcert" -> {
        if (value.equals("system")) {
          readSystemsCertificates();
        } else {
          properties.put("sslrootcert", value);
        }
      }
      // each session has a name of its own
      default -> {}
    }
  }

  /// For each server, and for the whole of a login, as libpq counts it.
  private void readConnectTimeout(String value) {
    try {
      int seconds = Math.max(0, Integer.parseInt(value.strip()));
      properties.put("connectTimeout", Integer.toString(seconds));
      if (seconds > 0) {
        properties.put(
            "loginTimeout", Long.toString(Math.min((long) seconds * servers, Integer.MAX_VALUE)));
      }
    } catch (NumberFormatException e) {
      refuse("connect_timeout", value, "it is a number of seconds");
    }
  }

  /// As in libpq, a public authority vouches for names only. The JVM's store is the system's.
  private void readSystemsCertificates() {
    if (!"verify-full".equals(parameters.getOrDefault("sslmode", "verify-full"))) {
      refuse("sslrootcert", "system", "it needs sslmode=verify-full");
    }
    if (parameters.containsKey("sslcert") || parameters.containsKey("sslkey")) {
      refuse("sslrootcert", "system", "with a certificate of the client, name a file");
    }
    properties.put("sslmode", "verify-full");
    properties.put("sslfactory", "org.postgresql.ssl.DefaultJavaSSLFactory");
  }

  private void refuse(String name, String value, String whatToDo) {
    problems.add(
        "the connection parameter " + name + "=" + value + " cannot be honoured: " + whatToDo);
  }
}
