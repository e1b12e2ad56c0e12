package org.pgoffload.worker.delivery;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.worker.delivery.records.ReadRecords;
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

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(500);

  private final PendingRequests pending;
  private final ReadRecords records;
  private final JudgeRecord judge;
  private final Complaint complaint = new Complaint(LOG);

  /// When Kafka may be asked.
  private long next = System.nanoTime();

  ReadAgain(PendingRequests pending, ReadRecords records, JudgeRecord judge) {
    this.pending = pending;
    this.records = records;
    this.judge = judge;
  }

  /// What became of the chosen requests.
  ///
  /// @param requests with their records
  /// @param unread ids of those that wait on, because their records could not be read by now
  record Chosen(List<ConsumedRequest> requests, List<Long> unread) {}

  /// Gets the records of these requests. Those that need nothing any more are left out, and both
  /// lists keep the order. Kafka is not asked again right after a time when it did not answer: the
  /// wait for it is everybody's.
  Chosen records(List<Long> ids) {
    if (System.nanoTime() - next >= 0) {
      readAgain(ids);
    }
    var requests = new ArrayList<ConsumedRequest>();
    var later = new ArrayList<Long>();
    for (long id : ids) {
      pending
          .waitingOf(id)
          .ifPresentOrElse(
              requests::add,
              () -> {
                if (pending.waits(id)) {
                  later.add(id);
                }
              });
    }
    return new Chosen(requests, later);
  }

  /// What is to be read again at once.
  private List<PendingRequests.Unread> unread(List<Long> ids) {
    var unread = new ArrayList<PendingRequests.Unread>();
    long bytes = 0;
    for (long id : ids) {
      var without = pending.unreadOf(id).orElse(null);
      if (without == null) {
        continue;
      }
      var reference = without.reference();
      if (judge.isPublished(reference.key(), reference.partition(), reference.offset())) {
        pending.finish(id);
        continue;
      }
      bytes += reference.bytes();
      if (bytes <= MOST_BYTES || unread.isEmpty()) {
        unread.add(without);
      }
    }
    return unread;
  }

  private void readAgain(List<Long> ids) {
    var unread = new LinkedHashMap<Long, PendingRequests.Unread>();
    unread(ids).forEach(each -> unread.put(each.reference().id(), each));
    if (unread.isEmpty()) {
      return;
    }
    try {
      records.read(
          unread.values().stream().map(PendingRequests.Unread::reference).toList(),
          (id, reading) -> take(Objects.requireNonNull(unread.remove(id), "asked for"), reading));
      if (!unread.isEmpty()) {
        pause("no answer in time");
      } else {
        complaint.end();
      }
    } catch (KafkaException e) {
      pause(KafkaFault.words(e));
    }
  }

  private void pause(String fault) {
    complaint.of("Requests wait, because their records could not be read again: " + fault);
    next = System.nanoTime() + PAUSE_AFTER_FAULT.toNanos();
  }

  private void take(PendingRequests.Unread unread, ReadRecords.Reading reading) {
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
  }

  /// @return null if its record is seen to
  private @Nullable ConsumedRequest judged(
      PendingRequests.Unread unread, ConsumerRecord<byte[], byte[]> record) {
    var key = unread.reference().key();
    return switch (judge.verdict(record, true)) {
      case VerifyRequest.Verdict.Trusted(var envelope) ->
          envelope.key().equals(key)
              ? judge.trusted(record, envelope, unread.finish())
              : gone(unread);
      case VerifyRequest.Verdict.Refused refused -> {
        var ours = refused.ours();
        yield (ours == null ? names(record, key) : ours.key().equals(key))
            ? judge.refused(record, refused, unread.finish())
            : gone(unread);
      }
      case VerifyRequest.Verdict.UnknownKey _ ->
          throw new IllegalStateException("a key is known or refused once the keys are new");
    };
  }

  /// Whether a record that is not trusted says that it is of this request. It may well be: its key
  /// was revoked since.
  private static boolean names(ConsumerRecord<byte[], byte[]> record, RequestKey key) {
    return record.value() != null
        && Envelope.readWithoutPayload(record.value())
            .filter(envelope -> envelope.key().equals(key))
            .isPresent();
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
