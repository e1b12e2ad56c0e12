package org.pgoffload.schema;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;

/// What a worker, and the write-back behind it, do for background SQL, each step apart or all at
/// once.
public final class PlayedSqlWorker implements AutoCloseable {
  static final String STORE = "select pgoffload.store_rows(?, ?, ?::uuid, ?, ?, ?::boolean)";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final TestDatabase database;
  private final SessionPool.Borrowed worker;
  private final SessionPool.Borrowed results;
  private final Session session;
  private final String name;
  private final long epoch;

  PlayedSqlWorker(
      TestDatabase database,
      SessionPool.Borrowed worker,
      SessionPool.Borrowed results,
      String name) {
    this.database = database;
    // it renews no lease, and a busy machine must not let it run out
    database
        .admin()
        .run("update pgoffload.setting set value = '10 min' where name = 'worker_dead_after'");
    this.worker = worker;
    this.results = results;
    this.session = worker.session();
    this.name = name;
    this.epoch =
        session.number("select pgoffload.register_worker(?, 'echo', 'echo-1', '0.1.0')", name);
  }

  public Session session() {
    return session;
  }

  public long epoch() {
    return epoch;
  }

  /// What the claim of one request says.
  public JsonNode claim(SentRequest request) {
    return claim(request.id(), request.envelope().immediate() ? request.text() : null);
  }

  public JsonNode claim(long id, @Nullable String envelope) {
    var rows =
        session.rows(
            "select to_json(c) from pgoffload.claim_sql(?, ?, ?, ?) c",
            name,
            epoch,
            new Long[] {id},
            new String[] {envelope});
    assertThat(rows).hasSize(1);
    return json(rows.getFirst());
  }

  /// The attempt, login and token of a second attempt after the session of the first was lost.
  public JsonNode claimAgain(long id, int lostAttempt) {
    var rows =
        session.rows(
            "select to_json(c) from pgoffload.claim_sql_again(?, ?, ?, ?) c",
            name,
            epoch,
            id,
            lostAttempt);
    return rows.isEmpty() ? JSON.nullNode() : json(rows.getFirst());
  }

  public boolean renewLease() {
    return "t"
        .equals(
            session.value(
                "select pgoffload.renew_lease(?, ?, 1, '{\"runs_sql\": 1}')", name, epoch));
  }

  /// Renews its lease, and tells this of what it does.
  public void tells(String doing) {
    session.run("select pgoffload.renew_lease(?, ?, 0, ?::jsonb)", name, epoch, doing);
  }

  public void releaseLease() {
    session.run("select pgoffload.release_lease(?, ?)", name, epoch);
  }

  /// Claims and enters a task, whose transaction is then open.
  public PlayedTask begin(SentRequest request) {
    var claim = claim(request);
    assertThat(claim.path("outcome").asText()).isEqualTo("claimed");
    assertThat(claim.path("ending").isNull()).as(claim.toString()).isTrue();
    return PlayedTask.begin(database, request, claim);
  }

  /// Runs a request as a worker does, and writes back what becomes of it.
  public void run(SentRequest request) {
    var claim = claim(request);
    assertThat(claim.path("outcome").asText()).isEqualTo("claimed");
    if (!claim.path("ending").isNull()) {
      assertThat(
              end(
                  request.id(),
                  1,
                  "{\"status\": %s, \"error\": %s}"
                      .formatted(
                          claim.path("ending").path("status"), claim.path("ending").path("error"))))
          .isTrue();
      published(request.id());
      return;
    }
    try (var task = PlayedTask.begin(database, request, claim)) {
      var result = task.execute(request.envelope().payload().path("command").asText());
      if (result.status().equals(Result.SUCCEEDED)) {
        task.complete(result);
      } else {
        assertThat(end(request.id(), claim.path("attempt").asInt(), result)).isTrue();
      }
    }
    published(request.id());
  }

  public void runAll() {
    database.sent().forEach(this::run);
  }

  public boolean end(long id, int attempt, SqlResult result) {
    return end(id, attempt, new String(result.write(), UTF_8));
  }

  public boolean end(long id, int attempt, String result) {
    return "t"
        .equals(session.value("select pgoffload.end_sql_attempt(?, ?, ?)", id, attempt, result));
  }

  public boolean markAutocommit(long id, int attempt) {
    return "t".equals(session.value("select pgoffload.begin_autocommit(?, ?)", id, attempt));
  }

  public boolean recordCancellation(long id, String byRole) {
    return session
        .rows(
            "select pgoffload.record_cancellations(?, ?::oid[])",
            new Long[] {id},
            new String[] {String.valueOf(database.oid(byRole))})
        .equals(List.of(String.valueOf(id)));
  }

  /// Stores chunks of whole rows, and of pieces of one.
  ///
  /// @param chunks the columns of each, numbered from 1; with an array of one piece for each piece
  /// @param ends of each
  public void store(PlayedTask task, List<List<String>> chunks, List<@Nullable Boolean> ends) {
    for (int i = 0; i < chunks.size(); i++) {
      store(task.request().id(), task.attempt(), task.token(), i + 1, chunks.get(i), ends.get(i));
    }
  }

  private void store(
      long id,
      int attempt,
      String token,
      int number,
      List<String> columns,
      @Nullable Boolean ends) {
    session.run(STORE, id, attempt, token, number, columns.toArray(String[]::new), ends);
  }

  /// Writes a result's end back, as when it has come from the topic.
  public void published(long id) {
    writeBack(new String[0], new Long[] {id});
  }

  public void published(SqlRows... chunks) {
    writeBack(
        Arrays.stream(chunks).map(chunk -> new String(chunk.write(), UTF_8)).toArray(String[]::new),
        new Long[0]);
  }

  private void writeBack(String[] chunks, Long[] ended) {
    results
        .session()
        .run(
            "select written from pgoffload.write_back('{}', '{}', '{}', ?, ?, true)",
            chunks,
            ended);
  }

  public static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new AssertionError("not JSON: " + text, e);
    }
  }

  @Override
  public void close() {
    results.close();
    worker.close();
  }
}
