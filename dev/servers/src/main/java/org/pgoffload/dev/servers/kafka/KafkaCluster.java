package org.pgoffload.dev.servers.kafka;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Uuid;
import org.pgoffload.dev.servers.EmbeddedException;
import org.pgoffload.dev.servers.Processes;

/// Three brokers as child processes, each of them also a controller, which are stopped, killed and
/// started again one by one. Topics have three replicas of which two must be in sync, unless they
/// say otherwise; so have the internal ones. Takes about 1 GB of memory. Thread-safe.
public final class KafkaCluster implements AutoCloseable {

  private static final int BROKERS = 3;

  private final Map<Integer, BrokerProcess> brokers = new TreeMap<>();

  private KafkaCluster(Map<Integer, BrokerProcess> brokers) {
    this.brokers.putAll(brokers);
  }

  /// Options of the three brokers, on free ports, in directories below one that outlives them. The
  /// caller may add to each what [BrokerOptions] has, such as listeners with SASL.
  public static List<BrokerOptions> kept(Path directory) {
    return options(
        IntStream.rangeClosed(1, BROKERS)
            .mapToObj(id -> BrokerOptions.kept(directory.resolve("broker-" + id)))
            .toList());
  }

  /// Options of three brokers in new directories that are removed on close.
  public static List<BrokerOptions> temporary() {
    return options(
        IntStream.rangeClosed(1, BROKERS).mapToObj(_ -> BrokerOptions.temporary()).toList());
  }

  private static List<BrokerOptions> options(List<BrokerOptions> alone) {
    var ports = new LinkedHashSet<Integer>();
    while (ports.size() < 2 * BROKERS) {
      ports.add(Processes.freePort());
    }
    var chosen = List.copyOf(ports);
    var clusterId = Uuid.randomUuid().toString();
    var controllers = new HashMap<Integer, Integer>();
    IntStream.rangeClosed(1, BROKERS).forEach(id -> controllers.put(id, chosen.get(2 * id - 1)));
    return IntStream.rangeClosed(1, BROKERS)
        .mapToObj(id ->
            alone
                .get(id - 1)
                .withPorts(chosen.get(2 * id - 2), chosen.get(2 * id - 1))
                .withPlace(new BrokerOptions.Place(id, clusterId, controllers)))
        .toList();
  }

  /// Starts the brokers together, since two of them are needed for the first to be ready.
  ///
  /// @param brokers of [#kept] or [#temporary]
  /// @throws EmbeddedException if one does not start, as of [BrokerProcess#start]; then none runs
  public static KafkaCluster start(List<BrokerOptions> brokers) {
    return new KafkaCluster(startAll(brokers));
  }

  private static Map<Integer, BrokerProcess> startAll(List<BrokerOptions> options) {
    var started = new TreeMap<Integer, BrokerProcess>();
    try {
      atOnce(
          options,
          one -> {
            var broker = BrokerProcess.start(one);
            synchronized (started) {
              started.put(one.place().nodeId(), broker);
            }
          });
      return started;
    } catch (EmbeddedException e) {
      atOnce(List.copyOf(started.values()), BrokerProcess::stop);
      throw e;
    }
  }

  /// Where clients connect: `bootstrap.servers`, all three.
  public synchronized String bootstrapServers() {
    return brokers.values().stream()
        .map(KafkaBroker::bootstrapServers)
        .collect(Collectors.joining(","));
  }

  /// The node ids of the brokers, whether or not they run.
  public synchronized List<Integer> nodes() {
    return List.copyOf(brokers.keySet());
  }

  /// One broker, to be asked, stopped or killed.
  public synchronized BrokerProcess broker(int node) {
    var broker = brokers.get(node);
    if (broker == null) {
      throw new IllegalArgumentException("there is no broker " + node);
    }
    return broker;
  }

  /// Starts again those that do not run, together.
  public synchronized void startStopped() {
    var stopped =
        brokers.values().stream()
            .filter(broker -> !broker.isRunning())
            .map(BrokerProcess::options)
            .toList();
    brokers.putAll(startAll(stopped));
  }

  /// The node that is the active controller. Needs two brokers that run.
  public int controller() {
    try (var admin = admin()) {
      return admin.describeMetadataQuorum().quorumInfo().get().leaderId();
    } catch (ExecutionException e) {
      throw unanswered("There is no controller", e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  /// The node that leads a partition, or -1 if none does.
  public int leader(String topic, int partition) {
    try (var admin = admin()) {
      var described = admin.describeTopics(List.of(topic)).allTopicNames().get();
      var leader = described.values().iterator().next().partitions().get(partition).leader();
      return leader == null ? -1 : leader.id();
    } catch (ExecutionException e) {
      throw unanswered("Topic " + topic + " cannot be described", e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private Admin admin() {
    return Admin.create(Map.of("bootstrap.servers", bootstrapServers()));
  }

  /// Ends all brokers within five seconds, and removes their directories unless the data are kept.
  /// Idempotent.
  @Override
  public synchronized void close() {
    atOnce(List.copyOf(brokers.values()), BrokerProcess::close);
  }

  private static <T> void atOnce(List<T> all, Consumer<T> work) {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var under =
          all.stream()
              .map(one -> threads.submit(() -> work.accept(one)))
              .collect(Collectors.toCollection(ArrayList::new));
      for (var each : under) {
        each.get();
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof EmbeddedException cause) {
        throw cause;
      }
      throw unanswered("A broker of the cluster failed", e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static EmbeddedException unanswered(String what, ExecutionException e) {
    return new EmbeddedException(
        EmbeddedException.Code.START_FAILED, what + ": " + e.getCause(), e);
  }

  private static EmbeddedException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new EmbeddedException(
        EmbeddedException.Code.START_FAILED, "Interrupted while brokers were asked.", e);
  }
}
