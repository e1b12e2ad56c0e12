package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.RepeatedRecords;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.worker.delivery.trust.VerifyRequest;

/// Decides what becomes of a verified record, whether it came just now or was read again: a request
/// to be executed, one that only ends, or nothing.
///
/// Safe to share between threads.
final class JudgeRecord {
  private final VerifyRequest verify;
  private final RunRequests run;
  private final RequestChannel channel;
  private final RepeatedRecords repeated;

  /// @param channel which kinds of requests belong here
  JudgeRecord(
      VerifyRequest verify, RunRequests run, RequestChannel channel, RepeatedRecords repeated) {
    this.verify = verify;
    this.run = run;
    this.channel = channel;
    this.repeated = repeated;
  }

  /// Verifies a record. Does not throw.
  ///
  /// @param keysAreNew whether the keys were read after the record came
  VerifyRequest.Verdict verdict(ConsumerRecord<byte[], byte[]> record, boolean keysAreNew) {
    try {
      return keysAreNew ? verify.verifyWithTheseKeys(record) : verify.verify(record);
    } catch (RuntimeException e) {
      return new VerifyRequest.Verdict.Refused(
          DeadLetterReason.MALFORMED, "the worker failed to read it: " + e.getClass().getName());
    }
  }

  /// Reads the keys again.
  ///
  /// @throws SQLException if the database cannot be asked; the keys stay as they were
  void readKeysAgain() throws SQLException {
    verify.readKeysAgain();
  }

  /// Whether this worker has published the result of a request. After a fail-over that is not
  /// enough: the database may have lost the request's claim, without which the result is not
  /// written back.
  boolean isPublished(RequestKey request, TopicPartition partition, long offset) {
    return run.hasPublished(request) && !repeated.contains(partition, offset);
  }

  private boolean isPublished(RequestKey request, ConsumerRecord<byte[], byte[]> record) {
    return isPublished(
        request, new TopicPartition(record.topic(), record.partition()), record.offset());
  }

  /// The request of a trusted record.
  ///
  /// @param finish tells that the record needs nothing any more
  /// @return null if it is seen to already
  @Nullable ConsumedRequest trusted(
      ConsumerRecord<byte[], byte[]> record, Envelope envelope, Runnable finish) {
    if (isMisplaced(envelope)) {
      // signed for something else: here it would end somebody's request
      run.refuse(
          record,
          new VerifyRequest.Verdict.Refused(
              DeadLetterReason.MALFORMED,
              "what is of kind '" + envelope.kind() + "' does not belong here"),
          finish);
      return null;
    }
    if (isPublished(envelope.key(), record)) {
      finish.run();
      return null;
    }
    return new ConsumedRequest(envelope, record, finish, null, repeated.contains(record));
  }

  /// Sends a refused record to the dead letters.
  ///
  /// @param finish as in [#trusted]
  /// @return the request that has to end for it; null if there is none
  @Nullable ConsumedRequest refused(
      ConsumerRecord<byte[], byte[]> record,
      VerifyRequest.Verdict.Refused refused,
      Runnable finish) {
    var ours = refused.ours();
    if (ours == null
        || RequestKind.ofWireName(ours.kind()).isEmpty()
        || isMisplaced(ours)
        || isPublished(ours.key(), record)) {
      run.refuse(record, refused, finish);
      return null;
    }
    var both = new Both(finish);
    run.refuse(record, refused, both::first);
    return new ConsumedRequest(
        ours,
        record,
        both::second,
        new ConsumedRequest.Refusal(refused.reason(), refused.detail()),
        repeated.contains(record));
  }

  private boolean isMisplaced(Envelope envelope) {
    return RequestKind.ofWireName(envelope.kind())
        .filter(kind -> kind.channel() != channel)
        .isPresent();
  }

  /// A record that needs nothing any more once its dead letter is published and its request has
  /// ended.
  private static final class Both {
    private final Runnable finish;
    private boolean first;
    private boolean second;

    Both(Runnable finish) {
      this.finish = finish;
    }

    synchronized void first() {
      first = true;
      finishIfBoth();
    }

    synchronized void second() {
      second = true;
      finishIfBoth();
    }

    private void finishIfBoth() {
      if (first && second) {
        finish.run();
      }
    }
  }
}
