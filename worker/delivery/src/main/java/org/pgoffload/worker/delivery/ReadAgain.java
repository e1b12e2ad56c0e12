package org.pgoffload.worker.delivery;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.worker.delivery.trust.VerifyRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Gets the records of requests whose turn has come. A record that is not in memory is read again
/// from where it lies, and verified like any other. If it does not lie there any more, its request
/// ends as failed.
///
/// For the thread of the queue's consumer.
final class ReadAgain implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ReadAgain.class);

  /// Of records that are read again at once.
  private static final long MOST_BYTES = 16L << 20;

  private final PendingRequests pending;
  private final ReadRecords records;
  private final JudgeRecord judge;

  ReadAgain(PendingRequests pending, ReadRecords records, JudgeRecord judge) {
    this.pending = pending;
    this.records = records;
    this.judge = judge;
  }

  /// What became of the chosen requests.
  ///
  /// @param requests with their records
  /// @param unread ids of those that wait on, because their records could not be read by now
  /// @param fault why, if Kafka could not be asked
  record Chosen(
      List<ConsumedRequest> requests, List<Long> unread, @Nullable KafkaException fault) {}

  /// Gets the records of these requests. Those that need nothing any more are left out.
  Chosen records(List<Long> ids) {
    var requests = new ArrayList<ConsumedRequest>();
    var later = new ArrayList<Long>();
    var unread = new HashMap<Long, PendingRequests.Unread>();
    long bytes = 0;
    for (long id : ids) {
      var waiting = pending.waitingOf(id);
      if (waiting.isPresent()) {
        requests.add(waiting.get());
        continue;
      }
      var without = pending.unreadOf(id).orElse(null);
      if (without == null) {
        continue;
      }
      if (judge.isPublished(id)) {
        pending.finish(id);
        continue;
      }
      bytes += without.reference().bytes();
      if (bytes > MOST_BYTES && !unread.isEmpty()) {
        later.add(id);
      } else {
        unread.put(id, without);
      }
    }
    if (unread.isEmpty()) {
      return new Chosen(requests, later, null);
    }
    try {
      var read =
          records.read(unread.values().stream().map(PendingRequests.Unread::reference).toList());
      unread.forEach((id, each) -> {
        var reading = read.get(id);
        if (reading == null) {
          later.add(id);
        } else {
          var request = judged(each, reading);
          if (request != null) {
            requests.add(request);
          }
        }
      });
      return new Chosen(requests, later, null);
    } catch (KafkaException e) {
      later.addAll(unread.keySet());
      return new Chosen(requests, later, e);
    }
  }

  /// @return null if its record is seen to
  private @Nullable ConsumedRequest judged(
      PendingRequests.Unread unread, ReadRecords.Reading reading) {
    var request =
        switch (reading) {
          case ReadRecords.Reading.Found(var record) -> judged(unread, record);
          case ReadRecords.Reading.Gone _ -> gone(unread);
        };
    if (request == null) {
      var _ = pending.remove(unread.reference().id());
    } else {
      pending.readAgain(request);
    }
    return request;
  }

  private @Nullable ConsumedRequest judged(
      PendingRequests.Unread unread, ConsumerRecord<byte[], byte[]> record) {
    long id = unread.reference().id();
    return switch (judge.verdict(record, true)) {
      case VerifyRequest.Verdict.Trusted(var envelope) ->
          envelope.id() == id ? judge.trusted(record, envelope, unread.finish()) : gone(unread);
      case VerifyRequest.Verdict.Refused refused -> {
        var ours = refused.ours();
        yield ours == null || ours.id() == id
            ? judge.refused(record, refused, unread.finish())
            : gone(unread);
      }
      case VerifyRequest.Verdict.UnknownKey _ ->
          throw new IllegalStateException("a key is known or refused once the keys are new");
    };
  }

  private @Nullable ConsumedRequest gone(PendingRequests.Unread unread) {
    var reference = unread.reference();
    var place = reference.partition() + "@" + reference.offset();
    try (var _ = LogRequest.of(reference.id())) {
      LOG.error(
          "The record of request {} does not lie at {} any more, and the request ends as failed",
          reference.id(),
          place);
    }
    var nothing =
        new ConsumerRecord<>(
            reference.partition().topic(),
            reference.partition().partition(),
            reference.offset(),
            HeaderText.bytes(Long.toString(reference.id())),
            new byte[0]);
    return judge.refused(
        nothing,
        new VerifyRequest.Verdict.Refused(
            DeadLetterReason.GONE,
            "the record of request " + reference.id() + " was removed while it waited",
            reference.envelope()),
        unread.finish());
  }

  @Override
  public void close() {
    records.close();
  }
}
