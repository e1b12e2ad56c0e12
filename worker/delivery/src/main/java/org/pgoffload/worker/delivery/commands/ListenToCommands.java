package org.pgoffload.worker.delivery.commands;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.Halving;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.worker.delivery.trust.VerifyRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads the commands to what runs: every worker all of them, from the beginning of what the topic
/// keeps, since a request may come after its cancellation. Obeying one twice changes nothing.
///
/// Runs on a thread of its own. While the database cannot be asked, commands wait.
public final class ListenToCommands implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(ListenToCommands.class);

  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);
  private static final Duration BETWEEN_LOOKS_FOR_PARTITIONS = Duration.ofSeconds(30);
  private static final Duration BETWEEN_KEY_READS = Duration.ofMillis(500);
  private static final Duration CLOSE = Duration.ofSeconds(1);

  private static final int BATCH = 500;

  /// More than that, and the topic keeps them for us.
  private static final int MOST_PENDING = 10_000;

  private final String topic;
  private final Consumer<byte[], byte[]> consumer;
  private final VerifyRequest verify;
  private final EarlyCancellations cancellations;
  private final List<CommandHandler> handlers;
  private final List<ConsumerRecord<byte[], byte[]>> undecided = new ArrayList<>();

  /// What is still to be done; of the progress of one task, the last alone.
  private final Map<Object, Envelope> pending = new LinkedHashMap<>();

  private long nextLook = System.nanoTime();
  private long nextKeyRead = System.nanoTime();
  private final Complaint complaint = new Complaint(LOG);
  private volatile boolean closing;
  private volatile boolean readingAgain;

  private record Progress(long id) {}

  /// @param cancellations receives each before the handlers do
  /// @param handlers each obeys the commands to its requests, and leaves the rest to the next
  public ListenToCommands(
      String topic,
      Consumer<byte[], byte[]> consumer,
      VerifyRequest verify,
      EarlyCancellations cancellations,
      List<CommandHandler> handlers) {
    this.topic = topic;
    this.consumer = consumer;
    this.verify = verify;
    this.cancellations = cancellations;
    this.handlers = handlers;
  }

  /// Listens until it is closed. A fault of Kafka or of the database is waited out.
  @Override
  public void run() {
    try {
      while (!closing) {
        try {
          assignNewPartitions();
          if (readingAgain) {
            // first: another fail-over while it seeks is not overlooked
            readingAgain = false;
            consumer.seekToBeginning(consumer.assignment());
          }
          if (consumer.assignment().isEmpty()) {
            complaint.of("There is no topic " + topic + " yet: nobody can cancel what runs here");
            pauseAfterFault();
            continue;
          }
          if (pending.size() < MOST_PENDING) {
            for (var record : consumer.poll(POLL)) {
              act(record, verify.verify(record));
            }
          }
          decide();
          obeyPending();
          complaint.end();
        } catch (KafkaException e) {
          complaint.of(
              "Kafka could not be asked for commands; trying again: " + KafkaFault.words(e));
          pauseAfterFault();
        } catch (SQLException e) {
          complaint.of("Commands wait, because the database could not be asked: " + e.getMessage());
          pauseAfterFault();
        } catch (RuntimeException e) {
          LOG.error("Commands met a fault of the worker; it goes on", e);
          pauseAfterFault();
        }
      }
    } finally {
      closeConsumer();
    }
  }

  /// Ends soon. What was not obeyed is read by the next worker.
  public void close() {
    closing = true;
  }

  /// Reads all that the topic keeps once more: the database was failed over, and may have lost what
  /// it knew of cancellations. Returns at once.
  public void readAgain() {
    readingAgain = true;
  }

  /// Without a group nobody says when a topic grows.
  private void assignNewPartitions() {
    if (System.nanoTime() - nextLook < 0) {
      return;
    }
    var known = consumer.assignment();
    var partitions =
        consumer.partitionsFor(topic).stream()
            .map(partition -> new TopicPartition(topic, partition.partition()))
            .toList();
    var added = partitions.stream().filter(partition -> !known.contains(partition)).toList();
    if (!added.isEmpty()) {
      consumer.assign(partitions);
      consumer.seekToBeginning(added);
    }
    nextLook =
        System.nanoTime()
            + (partitions.isEmpty() ? PAUSE_AFTER_FAULT : BETWEEN_LOOKS_FOR_PARTITIONS).toNanos();
  }

  private void act(ConsumerRecord<byte[], byte[]> record, VerifyRequest.Verdict verdict) {
    switch (verdict) {
      case VerifyRequest.Verdict.Trusted trusted -> keep(trusted.envelope());
      case VerifyRequest.Verdict.Refused refused ->
          // every worker sees it: none sends it to the dead letters
          LOG.warn(
              "The command at {}-{}@{} is not obeyed ({}: {})",
              record.topic(),
              record.partition(),
              record.offset(),
              refused.reason().code(),
              refused.detail());
      case VerifyRequest.Verdict.UnknownKey _ -> undecided.add(record);
    }
  }

  private void keep(Envelope command) {
    var kind = RequestKind.ofWireName(command.kind());
    if (kind.isEmpty()) {
      return; // a newer version's
    }
    switch (kind.get()) {
      case CANCEL -> pending.put(cancellation(command), command);
      case PROGRESS -> {
        pending.remove(new Progress(command.id()));
        pending.put(new Progress(command.id()), command);
      }
      case ASK, EMBED, RERANK, SQL -> {}
    }
  }

  private static Cancellation cancellation(Envelope command) {
    return new Cancellation(command.id(), command.requestedBy().userOid());
  }

  private void decide() throws SQLException {
    if (undecided.isEmpty() || System.nanoTime() - nextKeyRead < 0) {
      return;
    }
    nextKeyRead = System.nanoTime() + BETWEEN_KEY_READS.toNanos();
    verify.readKeysAgain();
    var records = List.copyOf(undecided);
    undecided.clear();
    for (var record : records) {
      act(record, verify.verifyWithTheseKeys(record));
    }
  }

  /// Many at once, so that who sends thousands holds up nobody else's for long.
  private void obeyPending() throws SQLException {
    for (var kind : List.of(RequestKind.CANCEL, RequestKind.PROGRESS)) {
      while (!closing) {
        var batch =
            pending.entrySet().stream()
                .filter(each -> each.getValue().kind().equals(kind.wireName()))
                .limit(BATCH)
                .toList();
        if (batch.isEmpty()) {
          break;
        }
        var keys = batch.stream().map(Map.Entry::getKey).toList();
        Halving.run(
            batch.stream().map(Map.Entry::getValue).toList(),
            commands -> obey(kind, commands),
            ListenToCommands::leaveOut);
        keys.forEach(pending::remove);
      }
    }
  }

  /// A command that the database does not take.
  private static void leaveOut(Envelope command, SQLException fault) {
    try (var _ = LogRequest.of(command.id())) {
      LOG.warn("A command to request {} is not obeyed ({})", command.id(), fault.getSQLState());
    }
  }

  private void obey(RequestKind kind, List<Envelope> commands) throws SQLException {
    switch (kind) {
      case CANCEL -> {
        var rest = commands.stream().map(ListenToCommands::cancellation).toList();
        // first: their requests may be recorded or claimed while the handlers ask
        rest.forEach(cancellations::add);
        for (var handler : handlers) {
          rest = rest.isEmpty() ? rest : handler.cancel(rest);
        }
      }
      case PROGRESS -> {
        for (var handler : handlers) {
          handler.progress(commands);
        }
      }
      case ASK, EMBED, RERANK, SQL -> {}
    }
  }

  private void pauseAfterFault() {
    try {
      Thread.sleep(PAUSE_AFTER_FAULT);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing = true;
    }
  }

  private void closeConsumer() {
    try {
      consumer.close(CloseOptions.timeout(CLOSE));
    } catch (KafkaException e) {
      LOG.info("The consumer of commands was not closed in order: {}", e.toString());
    }
  }
}
