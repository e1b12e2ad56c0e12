package org.pgoffload.schema;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.SigningKeys;

/// A database with the schema installed, in which the test plays the capture, the worker and the
/// write-back.
public final class TestDatabase implements AutoCloseable {
  private final TestServer server;
  private final DatabaseAddress address;
  private final String slot;
  private final Session admin;
  private final SessionPool workers = new SessionPool(() -> open("worker_login"));
  private final SessionPool writers = new SessionPool(() -> open("results_login"));

  public TestDatabase(TestServer server, DatabaseAddress address, String slot) {
    this.server = server;
    this.address = address;
    this.slot = slot;
    this.admin = Session.open(address);
  }

  public DatabaseAddress address() {
    return address;
  }

  public boolean isAtLeast(int major) {
    return server.version().major() >= major;
  }

  /// The superuser's session, open as long as the database.
  public Session admin() {
    return admin;
  }

  public DatabaseAddress as(String role) {
    return address.as(role, Secret.of(role));
  }

  public Session open(String role) {
    var session = Session.open(as(role));
    // a call that ought to be refused must not wait for an answer that nobody gives
    session.run("set statement_timeout = '20 s'");
    return session;
  }

  public long oid(String role) {
    return admin.number("select oid from pg_roles where rolname = ?", role);
  }

  public String nameOf(long oid) {
    return requireNonNull(
        admin.value("select rolname from pg_roles where oid = ?::text::oid", "" + oid));
  }

  /// The settings that the session of a task is opened with.
  public String taskOptions() {
    return TaskDatabase.options(isAtLeast(17), true);
  }

  /// What was sent since the last call, in order, each with its signature verified.
  public List<SentRequest> sent() {
    var sent = sentByAnybody();
    if (!sent.isEmpty()) {
      var keys = signingKeys();
      assertThat(sent).allMatch(message -> keys.verify(message.bytes(), message.signature()));
    }
    return sent;
  }

  /// The same, whatever its signature.
  public List<SentRequest> sentByAnybody() {
    if (!isAtLeast(17)) {
      // what the producer does: before 17 a message that is not bound to a commit is not flushed
      admin.run("select pg_logical_emit_message(true, 'pgoffload.heartbeat', '')");
    }
    var sent = new ArrayList<SentRequest>();
    try (var statement =
        admin
            .connection()
            .prepareStatement(
                """
                select data from pg_logical_slot_get_binary_changes(?, null, null,
                  'proto_version', '1', 'publication_names', 'pgoffload', 'messages', 'true')
                """)) {
      statement.setString(1, slot);
      var row = statement.executeQuery();
      while (row.next()) {
        var message = SentRequest.read(row.getBytes(1));
        if (message != null && message.prefix().equals("pgoffload.request")) {
          sent.add(message);
        }
      }
    } catch (SQLException e) {
      throw new AssertionError("the slot cannot be read", e);
    }
    return sent;
  }

  public SentRequest onlySent() {
    var sent = sent();
    assertThat(sent).hasSize(1);
    return sent.getFirst();
  }

  /// What is sent within a few seconds.
  public SentRequest awaitSent() {
    return awaitSent(1).getFirst();
  }

  /// The requests that are sent within a few seconds, once there are so many.
  public List<SentRequest> awaitSent(int count) {
    var sent = new ArrayList<SentRequest>();
    Awaitility.await()
        .pollInterval(Duration.ofMillis(20))
        .until(() -> {
          sent.addAll(sent());
          return sent.size() >= count;
        });
    return sent;
  }

  public SigningKeys signingKeys() {
    var keys = new HashMap<Integer, Secret>();
    try (var worker = workers.borrow()) {
      for (var row :
          worker.session().rows("select key_id, key_hex from pgoffload.signing_keys()")) {
        var fields = row.split("\\|", -1);
        keys.put(Integer.valueOf(fields[0]), Secret.of(fields[1]));
      }
    }
    return SigningKeys.ofHex(keys);
  }

  /// A live worker.
  public PlayedWorker worker(String name) {
    return new PlayedWorker(workers.borrow(), name);
  }

  /// A live worker of background SQL.
  public PlayedSqlWorker sqlWorker(String name) {
    return new PlayedSqlWorker(this, workers.borrow(), writers.borrow(), name);
  }

  /// Begins a call on a session in the background. Returns when the session waits for what such a
  /// name says.
  public <T> CompletableFuture<T> beginWaiting(
      Session session, String waitEvent, Supplier<T> call) {
    var pid = session.number("select pg_catalog.pg_backend_pid()");
    // several may wait at once
    var result = CompletableFuture.supplyAsync(call, Thread::startVirtualThread);
    Awaitility.await()
        .pollInterval(Duration.ofMillis(10))
        .until(() ->
            waitEvent.equals(
                admin.value("select wait_event from pg_stat_activity where pid = ?", pid)));
    return result;
  }

  /// Lets a role create schemas.
  public void grantCreate(String role) {
    admin.run("grant create on database " + address.database() + " to " + role);
  }

  /// Lets the leases of workers look as old as if these had been killed a while ago.
  public void letLeasesExpire(String... names) {
    admin.run(
        "update pgoffload.worker set heartbeat_at = heartbeat_at - interval '1 hour' where name = any (?)",
        (Object) names);
    // no lease counts as expired while the server has only just started
    Awaitility.await()
        .atMost(Duration.ofSeconds(20))
        .until(() ->
            admin.number(
                    "select count(*) from pgoffload.worker w where w.name = any (?) and pgoffload.worker_is_alive(w.name, w.epoch)",
                    (Object) names)
                == 0);
  }

  /// An id that the role has inserted and committed.
  public long inserted(String role) {
    try (var session = open(role)) {
      return session.number("insert into llm_request (prompt) values ('p') returning id");
    }
  }

  /// Lets a dead worker have claimed a request for a role, unless it is claimed as this attempt.
  public void claim(long id, int attempt, long oid) {
    admin.run(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) values (?, ?, 'nobody', 0, ?::text::oid) on conflict do nothing",
        id,
        attempt,
        String.valueOf(oid));
  }

  /// Writes results of claimed requests back; how many were new.
  public int record(Result... results) {
    return record(true, results);
  }

  public int record(boolean wake, Result... results) {
    var messages = new String[results.length];
    for (int i = 0; i < messages.length; i++) {
      messages[i] = new String(results[i].write(), StandardCharsets.UTF_8);
      claim(results[i].id(), 1, results[i].requestedByOid());
    }
    try (var part = writers.borrow()) {
      return (int)
          part.session()
              .number(
                  "select written from pgoffload.write_back(?, '{}', '{}', '{}', '{}', ?)",
                  messages,
                  wake);
    }
  }

  /// Has the session that writes results do something else.
  public void asResults(Consumer<Session> action) {
    try (var part = writers.borrow()) {
      action.accept(part.session());
    }
  }

  /// Writes messages of pieces or of usage back.
  public void record(List<LlmPiece> pieces, List<String> usage) {
    pieces.forEach(piece -> claim(piece.id(), piece.attempt(), piece.requestedByOid()));
    try (var part = writers.borrow()) {
      part.session()
          .run(
              "select written from pgoffload.write_back('{}', ?, ?, '{}', '{}', true)",
              pieces.stream()
                  .map(piece -> new String(piece.write(), StandardCharsets.UTF_8))
                  .toArray(String[]::new),
              usage.toArray(String[]::new));
    }
  }

  public Result answered(long id, String role, @Nullable String answer) {
    return answered(id, role, answer, Result.Provenance.NONE);
  }

  /// An answer whose pieces have come, up to this one.
  public Result streamed(long id, String role, String answer, long lastSeq) {
    return answered(id, role, answer, new Result.Provenance(null, null, lastSeq));
  }

  /// An answer that is another request's.
  public Result cached(long id, String role, String answer, long from) {
    return answered(id, role, answer, new Result.Provenance(from, List.of(), null));
  }

  public Result called(long id, String role, String answer, Call... calls) {
    return answered(id, role, answer, new Result.Provenance(null, List.of(calls), null));
  }

  public Result embedded(long id, String role, float[]... embeddings) {
    return embedded(id, role, new Result.Vectors(List.of(embeddings), null));
  }

  /// The embeddings of the texts that one text was split into.
  public Result chunked(long id, String role, String[] chunks, float[]... embeddings) {
    return embedded(id, role, new Result.Vectors(List.of(embeddings), List.of(chunks)));
  }

  private Result embedded(long id, String role, Result.Vectors vectors) {
    return result(
        new ResultHead(1, id, "embed", Result.SUCCEEDED, role, oid(role), null),
        new Result.Outcome(null, null, null, null),
        vectors,
        Result.Provenance.NONE);
  }

  public Result ended(long id, String role, String status, String code, String message) {
    return result(
        new ResultHead(1, id, "ask", status, role, oid(role), null),
        Result.Outcome.error(code, message),
        null,
        Result.Provenance.NONE);
  }

  private Result answered(
      long id, String role, @Nullable String answer, Result.Provenance provenance) {
    return result(
        new ResultHead(1, id, "ask", Result.SUCCEEDED, role, oid(role), null),
        new Result.Outcome(answer, null, null, "stop"),
        null,
        provenance);
  }

  private static Result result(
      ResultHead head,
      Result.Outcome outcome,
      Result.@Nullable Vectors vectors,
      Result.Provenance provenance) {
    return new Result(
        head,
        outcome,
        new Result.Origin("echo", "echo-1", "req_1"),
        new Result.Tokens(12L, 3L, 5L, 1L),
        new Result.Run(1, 250.0, 1500.5, "w", "2026-01-02T03:04:05.6Z"),
        vectors,
        provenance,
        null);
  }

  /// Records an answer to each request that has no result.
  public void answerAll() {
    for (var id :
        admin.rows(
            "select id from llm_request q where not exists (select from pgoffload.llm_result r where r.id = q.id)")) {
      record(answered(Long.parseLong(id), "app", "a"));
    }
  }

  @Override
  public void close() {
    workers.close();
    writers.close();
    admin.close();
    server.drop(address);
  }
}
