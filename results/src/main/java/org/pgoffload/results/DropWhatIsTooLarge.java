package org.pgoffload.results;

import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.streams.errors.DefaultProductionExceptionHandler;
import org.apache.kafka.streams.errors.ErrorHandlerContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Leaves out a dead letter that its headers have made too large for the topic, instead of failing:
/// the record would be read and refused again for ever, and no result after it be written. It stays
/// where it came from, as the log says.
public final class DropWhatIsTooLarge extends DefaultProductionExceptionHandler {
  private static final Logger LOG = LoggerFactory.getLogger(DropWhatIsTooLarge.class);

  /// Made by Kafka Streams.
  public DropWhatIsTooLarge() {}

  @Override
  public Response handleError(
      ErrorHandlerContext context, ProducerRecord<byte[], byte[]> record, Exception exception) {
    if (exception instanceof RecordTooLargeException) {
      LOG.error(
          "The record at {}-{}@{} is no result, and too large for the dead letters: it is left out",
          context.topic(),
          context.partition(),
          context.offset());
      return Response.resume();
    }
    return super.handleError(context, record, exception);
  }
}
