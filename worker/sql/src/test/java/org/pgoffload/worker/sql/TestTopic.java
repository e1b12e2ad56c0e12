package org.pgoffload.worker.sql;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Future;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.worker.sql.rows.ResultsTopic;

/// A results topic in memory.
public final class TestTopic implements ResultsTopic {
  private final List<ResultMessage> messages = new CopyOnWriteArrayList<>();

  @Override
  public Future<?> begin(long id, byte[] rows) {
    messages.add(SqlRows.read(rows));
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public void publish(SqlResult result) {
    messages.add(ResultMessage.read(result.write()));
  }

  @Override
  public void publish(long id, String json) {
    messages.add(ResultMessage.read(json.getBytes(StandardCharsets.UTF_8)));
  }

  public List<SqlRows> chunks() {
    var chunks = new ArrayList<SqlRows>();
    for (var message : messages) {
      if (message instanceof SqlRows rows) {
        chunks.add(rows);
      }
    }
    return chunks;
  }

  List<SqlResult> results() {
    var results = new ArrayList<SqlResult>();
    for (var message : messages) {
      if (message instanceof SqlResult result) {
        results.add(result);
      }
    }
    return results;
  }
}
