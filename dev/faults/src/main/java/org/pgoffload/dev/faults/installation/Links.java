package org.pgoffload.dev.faults.installation;

import java.util.List;
import java.util.stream.Stream;

/// The networks between the parts, each cut and slowed down on its own.
///
/// @param producerToPostgres the producer's connections, the stream of the slot among them
/// @param workersToPostgres the workers' own connections
/// @param tasksToPostgres the sessions of tasks
/// @param resultsToPostgres the write-back's connections
/// @param producerToKafka the way of published requests
/// @param workersToKafka requests and results
/// @param resultsToKafka results
/// @param workersToStub the calls
public record Links(
    Link producerToPostgres,
    Link workersToPostgres,
    Link tasksToPostgres,
    Link resultsToPostgres,
    Link producerToKafka,
    Link workersToKafka,
    Link resultsToKafka,
    Link workersToStub)
    implements AutoCloseable {

  /// @param taskAddress from which PostgreSQL lets the sessions of tasks log in
  /// @param kafka the ports of the broker's listeners for producer, workers and results
  static Links to(int postgres, String taskAddress, List<Integer> kafka, int stub) {
    return new Links(
        new Link("producer-postgres", postgres, null),
        new Link("workers-postgres", postgres, null),
        new Link("tasks-postgres", postgres, taskAddress),
        new Link("results-postgres", postgres, null),
        new Link("producer-kafka", kafka.get(0), null),
        new Link("workers-kafka", kafka.get(1), null),
        new Link("results-kafka", kafka.get(2), null),
        new Link("workers-stub", stub, null));
  }

  List<Link> all() {
    return Stream.concat(
            toPostgres().stream(), Stream.concat(toKafka().stream(), Stream.of(workersToStub)))
        .toList();
  }

  List<Link> toPostgres() {
    return List.of(producerToPostgres, workersToPostgres, tasksToPostgres, resultsToPostgres);
  }

  /// The workers' own connections and those of their tasks.
  public List<Link> ofWorkersToPostgres() {
    return List.of(workersToPostgres, tasksToPostgres);
  }

  public List<Link> toKafka() {
    return List.of(producerToKafka, workersToKafka, resultsToKafka);
  }

  @Override
  public void close() {
    all().forEach(Link::close);
  }
}
