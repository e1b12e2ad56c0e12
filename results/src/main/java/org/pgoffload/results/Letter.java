package org.pgoffload.results;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.RecordHeaders;

/// A record that goes to the dead letters, and why.
record Letter(ConsumerRecord<byte[], byte[]> record, DeadLetterReason reason, String detail) {
  /// The record as it came, with headers that say why it is there.
  ProducerRecord<byte[], byte[]> on(String topic) {
    var letter = new ProducerRecord<>(topic, record.key(), record.value());
    record.headers().forEach(letter.headers()::add);
    letter
        .headers()
        .add(RecordHeaders.REASON, HeaderText.bytes(reason.code()))
        .add(RecordHeaders.REASON_DETAIL, HeaderText.bytes(detail))
        .add(RecordHeaders.ORIGIN, HeaderText.bytes(origin()));
    return letter;
  }

  private String origin() {
    return record.topic() + "-" + record.partition() + "@" + record.offset();
  }

  /// Names the record without its content.
  @Override
  public String toString() {
    return "the record at " + origin();
  }
}
