package org.pgoffload.results;

import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sends records to the dead letters. For one thread at a time.
final class BuryRecords implements WriteBack.Bury {
  private static final Logger LOG = LoggerFactory.getLogger(BuryRecords.class);

  private final LazyProducer producer;
  private final String topic;

  /// @param topic of dead letters
  BuryRecords(LazyProducer producer, String topic) {
    this.producer = producer;
    this.topic = topic;
  }

  @Override
  public void bury(Deque<Letter> letters) {
    for (var sent : sendUntilFault(letters)) {
      try {
        var _ = sent.get();
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof RecordTooLargeException)) {
          throw e.getCause() instanceof KafkaException fault ? fault : new KafkaException(e);
        }
        // its headers have made it too large; refused for ever, it would let no other be written
        LOG.error("{} is too large for the dead letters: it is left out", letters.getFirst());
      } catch (InterruptedException e) {
        throw new InterruptException(e);
      }
      letters.removeFirst();
    }
  }

  /// Sends up to the first that fails at once: without a broker every one would block.
  private List<Future<RecordMetadata>> sendUntilFault(Deque<Letter> letters) {
    var sending = new ArrayList<Future<RecordMetadata>>();
    for (var letter : letters) {
      var sent = producer.send(letter.on(topic));
      sending.add(sent);
      if (sent.state() == Future.State.FAILED) {
        break;
      }
    }
    return sending;
  }
}
