package org.pgoffload.worker.llm;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.delivery.lease.Lease;

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

  /// A row of the table of results, whose columns are the message's fields.
  private static Result result(String row) {
    return Result.read(
        ("{\"version\":" + Result.VERSION + "," + row.substring(1))
            .getBytes(StandardCharsets.UTF_8));
  }
}
