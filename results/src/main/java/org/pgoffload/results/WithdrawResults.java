package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.protocol.Withdrawal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells the readers of the results topic which results stand for nothing any more, because the
/// database has lost in a fail-over what they were of. At least once each.
///
/// For the thread of the write-back.
final class WithdrawResults {
  private static final Logger LOG = LoggerFactory.getLogger(WithdrawResults.class);

  private static final Duration INTERVAL = Duration.ofSeconds(1);
  private static final int MOST = 500;

  private final WriteGroup database;
  private final LazyProducer producer;
  private final List<String> requestTopics;
  private final Complaint complaint = new Complaint(LOG);
  private long lastLook = System.nanoTime();

  WithdrawResults(WriteGroup database, LazyProducer producer, TopicNames topics) {
    this.database = database;
    this.producer = producer;
    this.requestTopics = List.of(topics.llmRequests(), topics.deferred());
  }

  /// Withdraws what is due, unless it looked a moment ago. A fault is waited out.
  void withdrawIfDue() {
    if (System.nanoTime() - lastLook < INTERVAL.toNanos()) {
      return;
    }
    lastLook = System.nanoTime();
    try {
      var due = database.toWithdraw(requestTopics, MOST);
      while (!due.isEmpty()) {
        publish(due);
        database.withdrawn(due);
        LOG.info("{} results of before the fail-over are withdrawn on their topic", due.size());
        due = database.toWithdraw(requestTopics, MOST);
      }
      complaint.end();
    } catch (SQLException e) {
      database.disconnect();
      complaint.of("Withdrawals of results wait for the database: " + e.getMessage());
    } catch (KafkaException e) {
      complaint.of("Withdrawals of results wait for Kafka: " + KafkaFault.words(e));
    }
  }

  private void publish(List<WriteGroup.Withdrawn> due) {
    var sending = new ArrayList<Future<?>>();
    for (var each : due) {
      var withdrawal = Withdrawal.of(each.id(), each.nonce(), each.offset());
      sending.add(
          producer.send(
              new ProducerRecord<>(
                  each.partition().topic(),
                  each.partition().partition(),
                  withdrawal.recordKey().getBytes(StandardCharsets.UTF_8),
                  withdrawal.write())));
    }
    for (var each : sending) {
      try {
        var _ = each.get();
      } catch (ExecutionException e) {
        throw e.getCause() instanceof KafkaException fault ? fault : new KafkaException(e);
      } catch (InterruptedException e) {
        throw new InterruptException(e);
      }
    }
  }
}
