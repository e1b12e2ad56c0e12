package org.pgoffload.worker.llm;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.ConsumerPositions;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.protocol.Withdrawal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Finds out whether the worker that a request was taken over from had published its result, which
/// the results application has not written back yet: it was paid for, and is not called for again.
///
/// Reads what the results application has not written back, once for all that are asked for at a
/// time, on a thread of its own that lives only as long as somebody asks. A fault of Kafka or of
/// the database is waited out.
///
/// Safe to share between threads; made to be called on virtual threads.
final class FindPublished implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FindPublished.class);

  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);
  private static final Duration CLOSE = Duration.ofSeconds(1);

  private final String topic;
  private final Supplier<Consumer<byte[], byte[]>> open;
  private final DataSource database;
  private Map<Long, Asked> asked = new HashMap<>();
  private @Nullable Thread reader;
  private volatile boolean closed;
  private final Complaint complaint = new Complaint(LOG);

  /// @param requestedByOid for whom: another role's result is not written back
  private record Asked(UUID nonce, long requestedByOid, CompletableFuture<Boolean> answer) {
    private boolean isAnsweredBy(Result result) {
      return result.requestedByOid() == requestedByOid
          && (result.head().nonce() == null || nonce.equals(result.head().nonce()));
    }
  }

  /// @param topic of results
  /// @param open makes a consumer with the group id of the results application, which it never
  ///   joins
  FindPublished(String topic, Supplier<Consumer<byte[], byte[]>> open, DataSource database) {
    this.topic = topic;
    this.open = open;
    this.database = database;
  }

  /// Whether a request that was taken over has its result. Blocks until that is known.
  ///
  /// @throws InterruptedException if the worker is closing
  boolean isPublished(RequestKey request, long requestedByOid) throws InterruptedException {
    CompletableFuture<Boolean> answer;
    synchronized (this) {
      if (closed) {
        throw new InterruptedException("closing");
      }
      answer =
          asked.computeIfAbsent(
                  request.id(),
                  _ -> new Asked(request.nonce(), requestedByOid, new CompletableFuture<>()))
              .answer;
      if (reader == null) {
        reader =
            Thread.ofPlatform().daemon().name("pgoffload-takeovers").start(this::answerWhileAsked);
      }
    }
    try {
      return answer.get();
    } catch (ExecutionException | CancellationException e) {
      throw new InterruptedException("closing");
    }
  }

  private void answerWhileAsked() {
    Map<Long, Asked> answering = Map.of();
    while (!closed) {
      try (var results = new Uncommitted(open.get())) {
        while (true) {
          // those of a broken round first: they keep waiting
          answering = answering.isEmpty() ? taken() : answering;
          if (answering.isEmpty()) {
            return;
          }
          var published = results.among(answering);
          published.addAll(known(answering));
          if (closed) {
            break; // it may have stopped reading for that
          }
          LOG.info(
              "Of {} requests that were taken over, {} have their results already",
              answering.size(),
              published.size());
          answering.forEach((id, each) -> each.answer.complete(published.contains(id)));
          answering = Map.of();
        }
      } catch (AuthorizationException e) {
        LOG.error(
            "Results that were published before a takeover cannot be read, so that their requests"
                + " are called for again; let workers read topic {} and describe the results"
                + " application's group: {}",
            topic,
            e.getMessage());
        answering.values().forEach(each -> each.answer.complete(false));
        answering = Map.of();
      } catch (SQLException | RuntimeException | Error e) {
        // an Error too: nothing else would ever answer the requests that wait here
        complaint.of(
            "Requests that were taken over wait, since nobody can say whether their results"
                + " were published: "
                + e);
        pauseAfterFault();
      }
    }
    answering.values().forEach(each -> each.answer.cancel(false));
  }

  /// What is asked for now; if nothing is, the reader is to end.
  private synchronized Map<Long, Asked> taken() {
    if (asked.isEmpty()) {
      reader = null;
      return Map.of();
    }
    var taken = asked;
    asked = new HashMap<>();
    return taken;
  }

  /// What was written back since it was claimed, and may have been committed before we read; also
  /// what the database keeps after a fail-over until the request's claim takes it.
  private Set<Long> known(Map<Long, Asked> answering) throws SQLException {
    var requests = List.copyOf(answering.entrySet());
    return Query.ids(
        database,
        "select pgoffload.known_results(?, ?::oid[], ?)",
        Query.array("bigint", requests, Map.Entry::getKey),
        Query.array("bigint", requests, each -> each.getValue().requestedByOid),
        Query.array("uuid", requests, each -> each.getValue().nonce));
  }

  /// The part of the results topic that may not be in the database yet.
  private final class Uncommitted implements AutoCloseable {
    private final Consumer<byte[], byte[]> consumer;

    Uncommitted(Consumer<byte[], byte[]> consumer) {
      this.consumer = consumer;
    }

    /// Which of these requests have a result there.
    Set<Long> among(Map<Long, Asked> requests) throws SQLException {
      var partitions =
          consumer.partitionsFor(topic).stream()
              .map(partition -> new TopicPartition(topic, partition.partition()))
              .toList();
      consumer.assign(partitions);
      // what is below is in the database
      var written = writtenBack(partitions);
      for (var partition : partitions) {
        var offset = written.get(partition);
        if (offset == null) {
          consumer.seekToBeginning(List.of(partition));
        } else {
          consumer.seek(partition, offset);
        }
      }
      // their workers are dead: what comes later is nobody's whom they were taken from
      var ends = consumer.endOffsets(partitions);
      var published = new HashMap<Long, Long>();
      while (!closed
          && partitions.stream()
              .anyMatch(partition ->
                  consumer.position(partition) < Objects.requireNonNull(ends.get(partition)))) {
        for (var record : consumer.poll(POLL)) {
          var request = requests.get(id(record));
          if (request != null) {
            note(record, request, published);
          }
        }
      }
      return new HashSet<>(published.keySet());
    }

    /// @param published the offset of each result, by the id
    private static void note(
        ConsumerRecord<byte[], byte[]> record, Asked request, Map<Long, Long> published) {
      try {
        switch (ResultMessage.read(record.value())) {
          case Result result when result.id() == id(record) && request.isAnsweredBy(result) ->
              published.putIfAbsent(result.id(), record.offset());
          case Withdrawal withdrawal ->
              published.remove(withdrawal.id(), (Long) withdrawal.offset());
          case Result _, SqlResult _, SqlRows _ -> {}
        }
      } catch (MalformedMessageException e) {
        LOG.debug("It will not be written back either", e);
      }
    }

    /// Up to where the results application has written the partitions back.
    private Map<TopicPartition, Long> writtenBack(List<TopicPartition> partitions)
        throws SQLException {
      var written = ConsumerPositions.of(database, topic);
      // of an application of an earlier version only Kafka knows
      consumer
          .committed(Set.copyOf(partitions))
          .forEach((partition, offset) -> {
            if (offset != null) {
              written.putIfAbsent(partition, offset.offset());
            }
          });
      return written;
    }

    private static long id(ConsumerRecord<byte[], byte[]> record) {
      if (record.key() == null || record.value() == null) {
        return -1;
      }
      try {
        return Long.parseLong(new String(record.key(), StandardCharsets.UTF_8));
      } catch (NumberFormatException e) {
        return -1;
      }
    }

    @Override
    public void close() {
      consumer.close(CloseOptions.timeout(CLOSE));
    }
  }

  private void pauseAfterFault() {
    try {
      Thread.sleep(PAUSE_AFTER_FAULT);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closed = true;
    }
  }

  /// Requests that still wait are told that the worker is closing.
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      asked.values().forEach(each -> each.answer.cancel(false));
      asked.clear();
    }
  }
}
