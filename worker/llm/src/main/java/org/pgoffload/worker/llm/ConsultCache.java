package org.pgoffload.worker.llm;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.List;
import javax.sql.DataSource;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.delivery.lease.Lease;
import org.pgoffload.worker.llm.questions.Question;

/// Asks the database whether a question has been answered, or is being asked, already: an answer is
/// taken instead of a call, and of requests that ask the same at the same time one makes it.
///
/// Safe to share between threads.
final class ConsultCache implements AnswerCache {
  private final DataSource database;
  private final Lease lease;

  ConsultCache(DataSource database, Lease lease) {
    this.database = database;
    this.lease = lease;
  }

  @Override
  public Advice consult(long id, byte[] key, String maxAge) throws SQLException {
    return Query.row(
        database,
        "select outcome, leader_id, result"
            + " from pgoffload.consult_cache(?, ?, ?, ?, ?::interval)",
        row -> {
          var outcome = row.getString(1);
          return switch (outcome) {
            case "hit" -> new Advice.Hit(result(row.getString(3)));
            case "lead" -> new Advice.Lead();
            case "follow" -> new Advice.Follow(row.getLong(2));
            default ->
                throw new SQLException(
                    "pgoffload.consult_cache returned '" + outcome + "': upgrade this worker");
          };
        },
        lease.worker(),
        lease.epoch(),
        id,
        key,
        maxAge);
  }

  /// A row of the table of results, whose columns are the message's fields. It keeps the chunks of
  /// a text as the answer.
  private static Result result(String row) throws SQLException {
    var result =
        Result.read(
            ("{\"version\":" + Result.VERSION + "," + row.substring(1))
                .getBytes(StandardCharsets.UTF_8));
    var vectors = result.vectors();
    return vectors == null || result.answer() == null
        ? result
        : result.withVectors(new Result.Vectors(vectors.embeddings(), chunks(result.answer())));
  }

  private static List<String> chunks(String answer) throws SQLException {
    try {
      return List.of(Question.MAPPER.readValue(answer, String[].class));
    } catch (JsonProcessingException e) {
      throw new SQLException("an answer to a text that was split is not its chunks", e);
    }
  }
}
