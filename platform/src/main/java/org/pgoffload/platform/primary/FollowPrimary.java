package org.pgoffload.platform.primary;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.ProducerProperties;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.platform.primary.NotPrimaryException.Code;
import org.pgoffload.protocol.ControlRecord;
import org.pgoffload.protocol.TopicNames;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A part's way to the server that takes the installation's writes. It follows the record of the
/// primary in the topic `control`, asks the part's server every second whether it is still that
/// one, and tells the topic so. Every session that it opens is with the recorded primary, whatever
/// the order of the hosts in the address.
///
/// Without a record there is no session. While Kafka is away the record that was read last stands.
///
/// Safe to share between threads. Longer than 300 lines because what is compared, remembered and
/// told of one server is one state.
public final class FollowPrimary implements ConnectAsPart, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FollowPrimary.class);

  private static final Duration BETWEEN_RENEWALS = Duration.ofSeconds(1);

  private static final Duration POLL = Duration.ofMillis(100);

  /// Two looks a second, whatever the number of parts that write.
  private static final Duration BETWEEN_LOOKS = Duration.ofMillis(400);

  /// The first session waits so long for the record.
  private static final Duration PATIENCE = Duration.ofSeconds(3);

  private static final int RENEWALS_OF_A_POSITION = 5;

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);

  /// A server that has vanished must not keep this part from reading the record for long.
  private static final Duration SILENCE = Duration.ofSeconds(3);

  private static final Duration LONG_SILENCE = Duration.ofMinutes(30);

  /// A part that has not renewed for so long is at work with no server. Renewals are a second
  /// apart, and read half a second later.
  private static final Duration RENEWED = Duration.ofMillis(2_500);

  /// The record of a killed part is removed by the others.
  private static final Duration FORGOTTEN = Duration.ofMinutes(10);

  private static final Duration CLOSE = Duration.ofSeconds(2);

  private final DatabaseAddress address;
  private final Map<String, Object> kafka;
  private final TopicNames topics;
  private final String part;

  /// The key of the part's record; null if the topic is not told of it.
  private final @Nullable String recordKey;

  private final Complaint complaint = new Complaint(LOG);
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;
  private volatile ControlState state = ControlState.EMPTY;
  private final CountDownLatch wasRead = new CountDownLatch(1);
  private volatile String notRead = "Kafka has not answered yet";

  /// With which a session was opened last, and when that server was started.
  private volatile @Nullable Found found;

  private volatile @Nullable Found promoted;
  private volatile BooleanSupplier tellsPosition = () -> false;

  /// Its own thread's alone.
  private @Nullable Connection connection;

  private long renewals;

  /// A server with its identity when it was asked.
  public record Found(DatabaseServer server, ServerIdentity identity) {}

  private FollowPrimary(
      DatabaseAddress address,
      Map<String, Object> kafka,
      TopicNames topics,
      String part,
      @Nullable String recordKey) {
    this.address = address;
    this.kafka = Map.copyOf(kafka);
    this.topics = topics;
    this.part = part;
    this.recordKey = recordKey;
    this.thread =
        Thread.ofPlatform().name("pgoffload-primary " + part).daemon(true).unstarted(this::run);
  }

  /// Begins to follow, in the background.
  ///
  /// @param address the part's login, with one server or several
  /// @param kafka Kafka's client properties
  /// @param part a name that no other process has
  public static FollowPrimary start(
      DatabaseAddress address, Map<String, Object> kafka, TopicNames topics, String part) {
    var follow = new FollowPrimary(address, kafka, topics, part, ControlRecord.Part.key(part));
    follow.thread.start();
    return follow;
  }

  /// As above, for a login that may read the topic and not write it.
  public static FollowPrimary watch(
      DatabaseAddress address, Map<String, Object> kafka, TopicNames topics) {
    var follow = new FollowPrimary(address, kafka, topics, nameOf("watch"), null);
    follow.thread.start();
    return follow;
  }

  /// A name for a part whose processes have none of their own.
  ///
  /// @param kind such as `producer`
  public static String nameOf(String kind) {
    return kind + " " + UUID.randomUUID().toString().substring(0, 8);
  }

  /// Opens a session with the recorded primary, with a part's pinned settings. The server that was
  /// found last is tried first.
  ///
  /// @param application shown in pg_stat_activity
  /// @param silence of the server after which the session is given up
  /// @param statementTimeout of each statement; zero for none
  /// @throws NotPrimaryException if there is no record, or servers answer and none is the recorded
  ///   one
  /// @throws SQLException if no server answers
  @Override
  public Connection connect(String application, Duration silence, Duration statementTimeout)
      throws SQLException {
    // a login that is refused is told also where Kafka does not answer
    awaitReading();
    SQLException worst = null;
    for (var server : servers()) {
      try {
        return connect(server, application, silence, statementTimeout);
      } catch (SQLException e) {
        worst = worst == null ? e : worse(worst, e);
      }
    }
    throw Objects.requireNonNull(worst);
  }

  /// As above, for statements that may take long. A server that has vanished is given up after half
  /// an hour.
  @Override
  public Connection connectAsPart(String application) throws SQLException {
    return connect(application, LONG_SILENCE);
  }

  private void awaitReading() {
    awaitRecord(complaint.stands() ? Duration.ZERO : PATIENCE);
  }

  /// Waits until the topic was read, but not longer than this. A session waits for three seconds by
  /// itself.
  public void awaitRecord(Duration atMost) {
    try {
      var _ = wasRead.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private List<DatabaseServer> servers() {
    var servers = new ArrayList<>(address.servers());
    var last = found;
    if (last != null && servers.remove(last.server)) {
      servers.addFirst(last.server);
    }
    return servers;
  }

  private Connection connect(
      DatabaseServer server, String application, Duration silence, Duration statementTimeout)
      throws SQLException {
    var opened = at(server).connect(application, silence, statementTimeout);
    try {
      check(server, ServerIdentity.read(opened));
      return opened;
    } catch (SQLException | RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  /// The address with one server. Where there are others, one that has vanished is not waited for
  /// long.
  private DatabaseAddress at(DatabaseServer server) {
    var one = address.at(server);
    if (address.servers().size() == 1 || address.parameters().containsKey("connect_timeout")) {
      return one;
    }
    var parameters = new HashMap<>(address.parameters());
    parameters.put("connectTimeout", Long.toString(SILENCE.toSeconds()));
    return one.withParameters(parameters);
  }

  /// The server's words say more than that it does not answer, and those of a guard say most.
  private static SQLException worse(SQLException one, SQLException other) {
    return rank(other) > rank(one) ? other : one;
  }

  private static int rank(SQLException fault) {
    if (fault instanceof NotPrimaryException) {
      return 3;
    }
    var state = String.valueOf(fault.getSQLState());
    // no answer; a standby
    return state.startsWith("08") ? 0 : state.equals("25006") ? 1 : 2;
  }

  private void check(DatabaseServer server, ServerIdentity identity) throws NotPrimaryException {
    if (wasRead.getCount() > 0) {
      throw new NotPrimaryException(
          Code.NO_RECORD, "topic " + topics.control() + " has not been read yet: " + notRead);
    }
    var refusal =
        state
            .refusal(identity, server, topics.control())
            .or(() -> withAnotherServer(server, identity));
    if (refusal.isPresent()) {
      if (refusal.get().code() == Code.NOT_ACCEPTED) {
        promoted = new Found(server, identity);
      }
      throw refusal.get();
    }
    promoted = null;
    found = new Found(server, identity);
  }

  /// Two servers with one token, of which one is a copy of the other: the one with which parts are
  /// at work is the installation's. A server that this part was with, and that was started again,
  /// is the same one.
  private Optional<NotPrimaryException> withAnotherServer(
      DatabaseServer server, ServerIdentity identity) {
    var last = found;
    boolean isKnown =
        last != null
            && last.server.equals(server)
            && Double.parseDouble(last.identity.started())
                <= Double.parseDouble(identity.started());
    return isKnown
        ? Optional.empty()
        : state
            .withAnotherServer(identity, System.nanoTime() - RENEWED.toNanos(), part)
            .map(seen ->
                new NotPrimaryException(
                    Code.OTHER_SERVER,
                    "the server on "
                        + server
                        + " has the recorded primary's token, and "
                        + seen.part().name()
                        + " is at work with another server that has it, too: if this one is a copy,"
                        + " pgoffload adopt makes it an installation of its own"));
  }

  /// Sessions with the recorded primary, for a pool.
  ///
  /// @param application shown in pg_stat_activity
  public DataSource dataSource(String application, Duration silence, Duration statementTimeout) {
    return new PrimarySource(this, application, silence, statementTimeout);
  }

  /// The server that was found last, or the address's first one.
  public DatabaseServer server() {
    var last = found;
    return last == null ? address.servers().getFirst() : last.server;
  }

  /// The server that was found last, with its identity then.
  public Optional<Found> found() {
    return Optional.ofNullable(found);
  }

  /// Whether the token of this server is the recorded one still.
  public boolean isRecorded(Found server) {
    return state.token().equals(Optional.ofNullable(server.identity.token()));
  }

  /// A server that was promoted and is not accepted yet, if the last try to connect has found one.
  public Optional<Found> promoted() {
    return Optional.ofNullable(promoted);
  }

  /// The address with the server that was found last alone.
  public DatabaseAddress address() {
    return address.at(server());
  }

  /// The same of the database of tasks, if its address names as many servers: the one at the same
  /// place. Else the driver finds the one that takes writes. A task on any other server than the
  /// primary ends there, for want of its claim.
  public TaskDatabase of(TaskDatabase tasks) {
    int place = address.servers().indexOf(server());
    return tasks.servers().size() == address.servers().size() && place >= 0
        ? tasks.at(tasks.servers().get(place))
        : tasks;
  }

  /// The token of the recorded primary; empty while there is no record.
  public Optional<UUID> token() {
    return state.token();
  }

  /// Calls the listener, on the thread that follows, after another timeline was made the
  /// installation's own: sessions of before are to be closed. It must not take long.
  public void onChange(Runnable listener) {
    listeners.add(listener);
  }

  /// Tells the topic every few seconds how far the server has come, while this holds: one part
  /// does.
  public void tellPositionWhile(BooleanSupplier holds) {
    tellsPosition = holds;
  }

  /// What is known of the topic.
  public ControlState state() {
    return state;
  }

  /// Why there is no session, or empty.
  public String complaint() {
    return complaint.words();
  }

  private void run() {
    try {
      while (!isClosing()) {
        try (var read = open();
            var topic = new Announcements()) {
          follow(read, topic);
          if (isClosing() && recordKey != null) {
            topic.send(recordKey, null);
          }
        } catch (KafkaException e) {
          notRead = KafkaFault.words(e);
          complaint.of("The record of the primary cannot be read: " + notRead);
        } catch (RuntimeException e) {
          LOG.error("Following the primary met a fault and begins anew", e);
        }
        pause(PAUSE_AFTER_FAULT);
      }
    } finally {
      disconnect();
    }
  }

  private ReadControl open() {
    return new ReadControl(
        kafka, topics, Map.of(ConsumerConfig.CLIENT_ID_CONFIG, "pgoffload-primary-" + part));
  }

  private KafkaProducer<byte[], byte[]> producer() {
    var properties = ProducerProperties.of(kafka, "", 1 << 20);
    properties.put(ProducerConfig.CLIENT_ID_CONFIG, "pgoffload-primary-" + part);
    // the record is to be read meanwhile
    properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, BETWEEN_LOOKS.toMillis());
    // one that comes late would say what is not so any more
    properties.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) SILENCE.toMillis());
    properties.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, (int) SILENCE.toMillis());
    return new KafkaProducer<>(properties);
  }

  private void follow(ReadControl read, Announcements topic) {
    boolean isAtEnd = false;
    long due = System.nanoTime();
    long late = System.nanoTime() + PATIENCE.toNanos();
    while (!isClosing()) {
      read.poll(POLL);
      isAtEnd = isAtEnd || read.isAtEnd();
      if (!isAtEnd) {
        if (System.nanoTime() - late > 0) {
          complaint.of(
              "The record of the primary cannot be read: Kafka does not answer, or there is no"
                  + " topic "
                  + topics.control()
                  + ", which pgoffload install makes");
        }
        continue;
      }
      take(read.state());
      if (System.nanoTime() - due >= 0) {
        due = System.nanoTime() + BETWEEN_RENEWALS.toNanos();
        renew(topic);
        forgetKilled(topic);
      }
      pause(BETWEEN_LOOKS);
    }
  }

  private void take(ControlState next) {
    var before = state.token();
    state = next;
    wasRead.countDown();
    if (before.isPresent() && !before.equals(next.token())) {
      LOG.info("Another record of the primary stands: sessions of before are closed");
      disconnect();
      listeners.forEach(Runnable::run);
    }
  }

  private void renew(Announcements topic) {
    try {
      var identity = ask();
      var token = Objects.requireNonNull(identity.token());
      topic.send(new ControlRecord.Part(part, token, identity.started()));
      if (renewals++ % RENEWALS_OF_A_POSITION == 0 && tellsPosition.getAsBoolean()) {
        topic.send(new ControlRecord.Position(token, identity.confirmed()));
      }
      complaint.end("The recorded primary is " + server());
    } catch (SQLException e) {
      disconnect();
      complaint.of("This part does nothing in the database: " + e.getMessage());
    } catch (KafkaException e) {
      LOG.debug("Kafka is not told of the part at this time", e);
    }
  }

  private ServerIdentity ask() throws SQLException {
    var open = connection;
    if (open == null) {
      connection = connect("pgoffload primary " + part, SILENCE);
      return Objects.requireNonNull(found).identity;
    }
    var identity = ServerIdentity.read(open);
    check(server(), identity);
    return identity;
  }

  private void forgetKilled(Announcements topic) {
    long since = System.nanoTime() - FORGOTTEN.toNanos();
    state.parts().values().stream()
        .filter(seen -> seen.readAt() - since < 0)
        .forEach(seen -> topic.send(seen.part().recordKey(), null));
  }

  /// What the topic is told; nothing of a part without a record.
  private final class Announcements implements AutoCloseable {
    private final @Nullable KafkaProducer<byte[], byte[]> producer =
        recordKey == null ? null : producer();

    void send(ControlRecord record) {
      send(record.recordKey(), record.write());
    }

    void send(String key, byte @Nullable [] value) {
      if (producer != null) {
        var _ =
            producer.send(new ProducerRecord<>(topics.control(), 0, HeaderText.bytes(key), value));
      }
    }

    @Override
    public void close() {
      if (producer != null) {
        producer.close();
      }
    }
  }

  private void disconnect() {
    var open = connection;
    connection = null;
    if (open != null) {
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
    }
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  private void pause(Duration atMost) {
    try {
      var _ = closing.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing.countDown();
    }
  }

  @Override
  public String toString() {
    return address.toString();
  }

  /// Ends within seconds. Sessions that were opened stay open.
  @Override
  public void close() {
    closing.countDown();
    try {
      if (!thread.join(CLOSE)) {
        LOG.debug("Still following the primary");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
