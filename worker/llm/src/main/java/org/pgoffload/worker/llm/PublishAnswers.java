package org.pgoffload.worker.llm;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.worker.delivery.EndedRequest;
import org.pgoffload.worker.delivery.PublishRecords;
import org.pgoffload.worker.llm.calls.DeferredHeaders;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Publishes the results of LLM requests, the pieces of their answers, and requests that are
/// deferred.
///
/// Safe to share between threads.
final class PublishAnswers {
  private static final Logger LOG = LoggerFactory.getLogger(PublishAnswers.class);

  /// Whose JSON has a quarter of a gigabyte and more, so that to write it takes the memory of all.
  private static final long MOST_NUMBERS = 30_000_000;

  private final PublishRecords publish;
  private final TopicNames topics;

  PublishAnswers(PublishRecords publish, TopicNames topics) {
    this.publish = publish;
    this.topics = topics;
  }

  /// Publishes a result. One that is larger than the topic takes becomes a failed one.
  ///
  /// @throws InterruptedException if the worker is closing; the result may or may not be published
  void result(Result result) throws InterruptedException {
    try {
      if (isLargerThanAnyTopicTakes(result.vectors())) {
        throw new RecordTooLargeException("not even written");
      }
      publish.result(result, ended(result));
    } catch (RecordTooLargeException e) {
      LOG.warn(
          "The answer to request {} is larger than the results topic takes; it ends as failed",
          result.id());
      var failed = result.withFailure("answer_too_large", tooLarge(result.vectors()));
      publish.result(failed, ended(failed));
    }
  }

  private static boolean isLargerThanAnyTopicTakes(Result.@Nullable Vectors vectors) {
    if (vectors == null) {
      return false;
    }
    var embeddings = vectors.embeddings();
    return (long) embeddings.size() * embeddings.getFirst().length > MOST_NUMBERS;
  }

  private static String tooLarge(Result.@Nullable Vectors vectors) {
    if (vectors == null) {
      return "the model's answer is larger than the results topic takes; ask with a lower max_output_tokens";
    }
    return "the embeddings of "
        + vectors.embeddings().size()
        + (vectors.chunks() == null
            ? " texts are larger than the results topic takes; ask for fewer texts at once, or fewer dimensions"
            : " chunks are larger than the results topic takes; make larger chunks, or ask for fewer dimensions");
  }

  private static EndedRequest ended(Result result) {
    return new EndedRequest(
        result.kind(),
        result.status(),
        result.errorCode(),
        result.attempts(),
        result.run().ranMs());
  }

  /// Begins to publish a piece of an answer.
  Future<?> begin(LlmPiece piece) {
    return publish.begin(
        new ProducerRecord<>(
            topics.pieces(),
            Long.toString(piece.id()).getBytes(StandardCharsets.UTF_8),
            piece.write()));
  }

  /// Begins to hand a request over to the topic of deferred ones, as it was signed.
  ///
  /// @param notBefore before which there is nothing to do for it, or null
  /// @param calls that were made for it
  Future<?> beginToDefer(
      ConsumerRecord<byte[], byte[]> request, @Nullable Instant notBefore, List<Call> calls) {
    var deferred = new ProducerRecord<>(topics.deferred(), request.key(), request.value());
    request.headers().forEach(header -> deferred.headers().add(header));
    DeferredHeaders.write(deferred.headers(), notBefore, calls);
    return publish.begin(deferred);
  }
}
