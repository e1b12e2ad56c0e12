package org.pgoffload.results;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.KeepPositions;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.telemetry.BrokerConnections;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Consumes results, pieces and usage: one thread polls, has the records written, and commits their
/// offsets. What comes in while a group is written is the next group.
///
/// That order is the guarantee: an offset is committed only after its record is in the database, or
/// among the dead letters. After a fault of Kafka or of its own the consumer is closed, and the
/// next one reads on from what was committed.
final class ConsumeResults implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(ConsumeResults.class);

  /// A commit that is due waits no longer, nor does the closing.
  private static final Duration POLL = Duration.ofMillis(100);

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);
  private static final Duration CLOSE = Duration.ofSeconds(1);

  private final ResultsConfiguration configuration;
  private final ReadRecord read;
  private final WriteBack writeBack;
  private final KeepPositions positions;
  private final WithdrawResults withdraw;
  private final CountDownLatch closing;
  private final CountDownLatch running = new CountDownLatch(1);
  private final Complaint complaint = new Complaint(LOG);

  /// Of the present consumer; null while there is none.
  private volatile @Nullable BrokerConnections connections;

  /// The consumer is to be opened again.
  private volatile boolean reopening;

  /// @param positions where the database keeps them
  /// @param closing opens when it is to end
  ConsumeResults(
      ResultsConfiguration configuration,
      WriteBack writeBack,
      KeepPositions positions,
      WithdrawResults withdraw,
      CountDownLatch closing) {
    this.configuration = configuration;
    this.read = new ReadRecord(configuration.topics());
    this.writeBack = writeBack;
    this.positions = positions;
    this.withdraw = withdraw;
    this.closing = closing;
  }

  /// Works until it is to end. A fault is waited out.
  @Override
  public void run() {
    while (!isClosing()) {
      try {
        consume();
      } catch (InconsistentGroupProtocolException e) {
        complaint.of(
            "Results wait, because a results application of an earlier version, which consumes in"
                + " another way, is still running: this one begins when that one has ended");
      } catch (KafkaException e) {
        complaint.of(
            "Results are not written, and are read again from what was committed: "
                + KafkaFault.words(e));
      } catch (RuntimeException | Error e) {
        // an Error too, out of memory most likely: no other thread writes results
        complaint.of("Results are not written, because of a fault of this application");
        LOG.error("Writing results begins anew from what was committed", e);
      }
      connections = null;
      await(PAUSE_AFTER_FAULT);
    }
  }

  /// Gives the consumer up and opens another, which goes back to where the database knows it to
  /// have come. Returns at once.
  void reopen() {
    reopening = true;
  }

  private void consume() {
    reopening = false;
    positions.begin();
    var consumer = new KafkaConsumer<byte[], byte[]>(WriterProperties.of(configuration));
    try {
      connections = BrokerConnections.of(consumer.metrics().values());
      var offsets = new CommitWritten(consumer, positions);
      var pause = new PauseInGroup(consumer);
      consumer.subscribe(
          List.of(
              configuration.topics().results(),
              configuration.topics().pieces(),
              configuration.topics().usage()),
          offsets);
      boolean written = true;
      while (written && !isEnding()) {
        // while the database cannot be asked where to begin, nothing of such partitions is consumed
        var _ = positions.decide(consumer);
        var records = consumer.poll(POLL);
        if (offsets.isAssigned()) {
          runs();
        }
        offsets.taken(records);
        written = write(records, pause);
        if (written) {
          offsets.written();
          offsets.commitIfDue();
        }
        withdraw.withdrawIfDue();
      }
      offsets.commitNow();
    } finally {
      // leaves the group, so that the next one begins at once rather than after the session timeout
      consumer.close(CloseOptions.timeout(CLOSE));
    }
  }

  private void runs() {
    complaint.end("Results are written again");
    if (running.getCount() > 0) {
      LOG.info(
          "Writing results from {} to {}",
          configuration.topics().results(),
          configuration.database());
      running.countDown();
    }
  }

  /// @return false if it was given up because of the closing
  private boolean write(ConsumerRecords<byte[], byte[]> records, WriteBack.Pause pause) {
    var messages = new ArrayList<WaitingMessage>(records.count());
    var letters = new ArrayDeque<Letter>();
    for (var record : records) {
      if (ReadRecord.isStored(record)) {
        continue;
      }
      try {
        var message = read.of(record);
        if (message != null) {
          messages.add(message);
        }
      } catch (MalformedMessageException e) {
        letters.add(letter(record, e.reason(), String.valueOf(e.getMessage())));
      } catch (RuntimeException e) {
        // what cannot be read now cannot be read after a restart either: it must not stop the rest
        letters.add(
            letter(
                record,
                DeadLetterReason.MALFORMED,
                "the results application failed to read it: " + e.getClass().getName()));
      }
    }
    return writeBack.bury(letters, pause) && writeBack.write(messages, pause);
  }

  private static Letter letter(
      ConsumerRecord<byte[], byte[]> record, DeadLetterReason reason, String detail) {
    var letter = new Letter(record, reason, detail);
    LOG.warn("{} is no message of its topic ({}); it goes to the dead letters", letter, detail);
    return letter;
  }

  /// Lets time pass between two tries of a write. Meanwhile the consumer polls paused partitions:
  /// one that did not poll would be thrown out of its group while the database is away for long.
  private final class PauseInGroup implements WriteBack.Pause {
    private final Consumer<byte[], byte[]> consumer;

    PauseInGroup(Consumer<byte[], byte[]> consumer) {
      this.consumer = consumer;
    }

    @Override
    public void pause(Duration duration) {
      consumer.pause(consumer.assignment());
      long until = System.nanoTime() + duration.toNanos();
      var tooEarly = consumer.poll(duration);
      // nothing comes of a paused partition; what came all the same is read again
      tooEarly
          .partitions()
          .forEach(each -> consumer.seek(each, tooEarly.records(each).getFirst().offset()));
      var decided = new HashSet<>(consumer.paused());
      decided.removeAll(positions.undecided());
      consumer.resume(decided);
      await(Duration.ofNanos(until - System.nanoTime()));
    }

    @Override
    public boolean isClosing() {
      // what was lost in a fail-over must not be looked for before the consumer has gone back
      return isEnding();
    }
  }

  private void await(Duration atMost) {
    try {
      var _ = closing.await(atMost.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing.countDown();
    }
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  /// Whether this consumer is to end.
  private boolean isEnding() {
    return isClosing() || reopening || positions.isOutdated();
  }

  /// Opens once results are being written.
  CountDownLatch running() {
    return running;
  }

  /// Whether the database does not take what was consumed.
  boolean waitsForDatabase() {
    return writeBack.waits();
  }

  /// Why it does not consume at this moment; empty if it does.
  String waitsFor() {
    var known = connections;
    if (running.getCount() > 0 || known == null || complaint.stands()) {
      return "it has not joined its group yet; the log says why";
    }
    return known.none() ? "no broker of Kafka answers" : "";
  }
}
