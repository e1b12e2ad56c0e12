package org.pgoffload.worker.sql;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.Future;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.delivery.EndedRequest;
import org.pgoffload.worker.delivery.PublishRecords;
import org.pgoffload.worker.sql.rows.ResultsTopic;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Publishes rows and results of tasks. A result that is larger than the topic takes is published
/// without its rows and words: the database has it.
///
/// Safe to share between threads.
final class PublishTaskResults implements ResultsTopic {
  private static final Logger LOG = LoggerFactory.getLogger(PublishTaskResults.class);

  private final PublishRecords publish;

  PublishTaskResults(PublishRecords publish) {
    this.publish = publish;
  }

  @Override
  public Future<?> begin(long id, byte[] rows) {
    return publish.beginStoredRows(id, rows);
  }

  @Override
  public void publish(SqlResult result) throws InterruptedException {
    var error = result.error();
    var ended =
        new EndedRequest(
            SqlResult.KIND,
            result.status(),
            error == null ? null : error.sqlstate(),
            result.attempt(),
            result.run().ranMs());
    try {
      publish.result(result, ended);
    } catch (RecordTooLargeException e) {
      LOG.warn(
          "The result of request {} is larger than the results topic takes; the topic has it without"
              + " its content",
          result.id());
      publish.result(result.withoutContent(), ended);
    }
  }

  @Override
  public void publish(long id, String json) throws InterruptedException {
    try {
      publish.recordedResult(id, json);
    } catch (RecordTooLargeException e) {
      publish(SqlResult.read(json.getBytes(StandardCharsets.UTF_8)).withoutContent());
    }
  }
}
