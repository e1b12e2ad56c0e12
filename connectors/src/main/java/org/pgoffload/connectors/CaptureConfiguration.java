package org.pgoffload.connectors;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// The Debezium connector's configuration, the same in Debezium Embedded and in a Connect cluster:
/// a pure function of where the database is.
///
/// @param hosts servers of the database, of which one takes writes
/// @param ports the port of each
/// @param database its name
/// @param login who logs in
/// @param session what each session is like
/// @param slot the replication slot, which the installer has made
/// @param topics the topics' names
/// @param pace how often it looks
public record CaptureConfiguration(
    List<String> hosts,
    List<Integer> ports,
    String database,
    Login login,
    Session session,
    String slot,
    TopicNames topics,
    Pace pace) {
  /// The publication that the installer has made.
  public static final String PUBLICATION = "pgoffload";

  /// A host as Debezium takes it.
  private static final Pattern HOST = Pattern.compile("[a-zA-Z0-9-_.]+");

  /// The login of the capture.
  ///
  /// @param user a role with REPLICATION
  /// @param password the role's password, or null
  public record Login(String user, @Nullable Secret password) {
    public Login {
      if (user.contains("'")) {
        // Debezium asks for the role's rights with the name between quotes, as it is
        throw new IllegalArgumentException(
            "the login "
                + user
                + " cannot capture, because of the apostrophe in its name: give the capture a login"
                + " of its own");
      }
    }
  }

  /// The sessions of the capture.
  ///
  /// @param properties the driver's, such as `sslmode` and `options`
  /// @param firstStatement the first statement of each session, as [OpenSession] needs it
  public record Session(Map<String, String> properties, String firstStatement) {
    public Session {
      properties = Map.copyOf(properties);
    }
  }

  /// How often the capture looks.
  ///
  /// @param pause of the thread that reads from the slot, when it finds nothing; at least 1 ms
  /// @param heartbeat how often the slot advances on an idle queue, and at the latest acknowledges
  public record Pace(Duration pause, Duration heartbeat) {}

  public CaptureConfiguration {
    hosts = List.copyOf(hosts);
    ports = List.copyOf(ports);
    if (hosts.isEmpty() || hosts.size() != ports.size()) {
      throw new IllegalArgumentException("each host has a port");
    }
  }

  /// The connector's properties, passwords included: for the engine or Connect's REST API only.
  public Map<String, String> properties() {
    var p = new TreeMap<String, String>();
    p.put("connector.class", CaptureConnector.class.getName());
    p.put("tasks.max", "1");
    p.put("topic.prefix", topics.prefix());

    putServers(p);
    p.put("database.dbname", database);
    p.put("database.user", login.user);
    if (login.password != null) {
      p.put("database.password", login.password.reveal());
    }
    session.properties.forEach((name, value) -> p.put("database." + name, value));
    // Debezium's own knows neither every name nor a second server.
    p.put("database.connection.factory.class", OpenSession.class.getName());
    p.put("database." + OpenSession.FIRST_STATEMENT, session.firstStatement);

    // The installer has made both: a slot that Debezium makes silently would begin after a gap.
    p.put("plugin.name", "pgoutput");
    p.put("slot.name", slot);
    p.put("slot.drop.on.stop", "false");
    p.put("publication.name", PUBLICATION);
    p.put("publication.autocreate.mode", "disabled");

    // Only our messages; no table is captured, so none is read at the start either.
    p.put("message.prefix.include.list", "pgoffload\\.request");
    p.put("table.include.list", "pgoffload\\.none");
    p.put("snapshot.mode", "no_data");
    p.put("binary.handling.mode", "bytes");
    p.put("tombstones.on.delete", "false");

    // With a batch of one the queue does not linger for the poll interval: 2 ms instead of 700 ms.
    p.put("max.batch.size", "1");
    p.put("poll.interval.ms", Long.toString(pace.pause.toMillis()));
    // 8,192 requests of 16 MB would fill any heap.
    p.put("max.queue.size", "8192");
    p.put("max.queue.size.in.bytes", Long.toString(64L << 20));

    // A restart of PostgreSQL is noticed in half a second instead of 10.
    p.put("status.update.interval.ms", "500");
    // The supervisor restarts, after it has looked at the slot: Debezium's own retry would silently
    // make a new slot for one that was dropped, and what was sent in between would be gone.
    p.put("errors.max.retries", "0");
    p.put("slot.max.retries", "1");
    p.put("slot.retry.delay.ms", "200");

    // All three are needed for the slot to advance on a database that is busy elsewhere: the
    // interval, a transactional message that makes a commit, and a prefix that is not included.
    p.put("heartbeat.interval.ms", Long.toString(pace.heartbeat.toMillis()));
    p.put(
        "heartbeat.action.query",
        "select pg_catalog.pg_logical_emit_message(true, 'pgoffload.heartbeat', '')");

    p.put("transforms", "request");
    p.put("transforms.request.type", RequestTransform.class.getName());
    p.put("transforms.request." + RequestTransform.TOPIC_PREFIX_CONFIG, topics.prefix());
    return p;
  }

  private void putServers(Map<String, String> p) {
    var first = hosts.get(0);
    boolean isHost = HOST.matcher(first).matches();
    p.put("database.hostname", isHost ? first : first.replaceAll("[^a-zA-Z0-9-_.]", "_"));
    p.put("database.port", Integer.toString(ports.get(0)));
    if (!isHost || hosts.size() > 1) {
      p.put("database." + OpenSession.HOSTS, String.join(",", hosts));
      p.put(
          "database." + OpenSession.PORTS,
          ports.stream().map(String::valueOf).collect(Collectors.joining(",")));
    }
  }

  /// Names the place, without the password.
  @Override
  public String toString() {
    return "CaptureConfiguration["
        + login.user
        + "@"
        + String.join(",", hosts)
        + "/"
        + database
        + ", slot="
        + slot
        + "]";
  }
}
