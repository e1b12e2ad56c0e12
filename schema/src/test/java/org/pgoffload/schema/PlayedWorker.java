package org.pgoffload.schema;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a worker does in the database.
public final class PlayedWorker implements AutoCloseable {
  private final SessionPool.Borrowed borrowed;
  private final Session session;
  private final String name;
  private long epoch;

  PlayedWorker(SessionPool.Borrowed borrowed, String name) {
    this.borrowed = borrowed;
    this.session = borrowed.session();
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

  /// `outcome|attempt` of each, in the order of the ids.
  public List<String> claim(SentRequest... requests) {
    return session.rows(CLAIM, arguments(requests));
  }

  /// `outcome|attempt` of each, in the order of the ids, of records that came before a fail-over.
  public List<String> claimRepeated(SentRequest... requests) {
    return claimByNonce(true, requests);
  }

  /// The same by id and nonce.
  public List<String> claimByNonce(boolean repeated, SentRequest... requests) {
    var arguments = Arrays.copyOf(arguments(requests), 7);
    arguments[5] = Arrays.stream(requests).map(PlayedWorker::nonce).toArray(String[]::new);
    arguments[6] = Arrays.stream(requests).map(_ -> "" + repeated).toArray(String[]::new);
    return session.rows(
        "select outcome, attempt from pgoffload.claim_llm_requests(?, ?, ?, ?::oid[], ?, ?::uuid[], ?::boolean[])"
            + " order by id",
        arguments);
  }

  /// What a batch meets that was made up before the worker knew of a fail-over.
  ///
  /// @param token of the timeline on which its consumer has begun
  public SqlError refusedClaimSince(String token, SentRequest... requests) {
    var arguments = Arrays.copyOf(arguments(requests), 8);
    arguments[5] = Arrays.stream(requests).map(PlayedWorker::nonce).toArray(String[]::new);
    arguments[6] = Arrays.stream(requests).map(_ -> "false").toArray(String[]::new);
    arguments[7] = token;
    return session.refused(
        "select c.outcome from (select ?, ?::bigint, ?::bigint[], ?::oid[], ?::text[], ?::uuid[], ?::boolean[],"
            + " ?::uuid) a (w, e, i, r, v, n, b, t),"
            + " pgoffload.claim_llm_since(a.t, a.w, a.e, a.i, a.r, a.v, a.n, a.b) c",
        arguments);
  }

  private static String nonce(SentRequest request) {
    return request.envelope().key().nonce().toString();
  }

  /// What the claim says of the one request.
  public @Nullable String detail(SentRequest request) {
    return session.value(
        "select detail from pgoffload.claim_llm(?, ?, ?, ?::oid[], ?)", arguments(request));
  }

  /// `outcome|kind|attempt|requested_by` of a command to cancel it.
  public String cancel(long id, long byOid) {
    return session
        .rows(
            "select outcome, kind, attempt, requested_by from pgoffload.cancel_llm(?, ?, ?, ?::oid[])",
            name,
            epoch,
            new Long[] {id},
            new String[] {String.valueOf(byOid)})
        .getFirst();
  }

  /// `id|outcome|kind|attempt` of many commands by one role, in their order.
  public List<String> cancel(List<Long> ids, long byOid) {
    var by = new String[ids.size()];
    java.util.Arrays.fill(by, String.valueOf(byOid));
    return session.rows(
        "select id, outcome, kind, attempt from pgoffload.cancel_llm(?, ?, ?, ?::oid[])",
        name,
        epoch,
        ids.toArray(Long[]::new),
        by);
  }

  /// `outcome|leader_id` for a request that this worker has claimed; the key is any text.
  public String consult(long id, String key, String maxAge) {
    return session
        .rows("select outcome, leader_id from " + CONSULT, name, epoch, id, key, maxAge)
        .getFirst();
  }

  /// The answer that the cache gives.
  public @Nullable String cachedAnswer(long id, String key, String maxAge) {
    return session.value(
        "select result ->> 'answer' from " + CONSULT, name, epoch, id, key, maxAge);
  }

  /// Those that are its own as this attempt.
  public List<String> stillClaimed(List<Long> ids, int attempt) {
    var attempts = new String[ids.size()];
    Arrays.fill(attempts, String.valueOf(attempt));
    return session.rows(
        "select pgoffload.still_claimed(?, ?, ?, ?::integer[])",
        name,
        epoch,
        ids.toArray(Long[]::new),
        attempts);
  }

  public SqlError refusedClaim(SentRequest... requests) {
    return session.refused(CLAIM, arguments(requests));
  }

  public void releaseLease() {
    session.run("select pgoffload.release_lease(?, ?)", name, epoch);
  }

  /// Registers anew after a fail-over.
  ///
  /// @param token of the timeline
  /// @param running what was claimed as this attempt and runs on
  /// @return `id|attempt` of what is its own still
  public List<String> registerAnew(String token, int attempt, SentRequest... running) {
    var envelopes = Arrays.stream(running).map(SentRequest::envelope).toList();
    var kept =
        session.rows(
            "select epoch, k.* from pgoffload.register_worker_anew(?, ?, 'echo', 'echo-1', '0.1.0',"
                + " ?::uuid, ?, ?::integer[], ?::oid[], ?::uuid[], ?::boolean[]),"
                + " unnest(kept || null::bigint, kept_attempts || null::integer) k order by 2",
            name,
            epoch,
            token,
            envelopes.stream().map(e -> e.id()).toArray(Long[]::new),
            envelopes.stream().map(_ -> "" + attempt).toArray(String[]::new),
            envelopes.stream().map(e -> e.requestedBy().userOid()).toArray(Long[]::new),
            Arrays.stream(running).map(PlayedWorker::nonce).toArray(String[]::new),
            envelopes.stream().map(e -> "" + e.immediate()).toArray(String[]::new));
    epoch = Long.parseLong(kept.getLast().replaceFirst("[|].*", ""));
    return kept.subList(0, kept.size() - 1).stream()
        .map(each -> each.replaceFirst("^[0-9]*[|]", ""))
        .toList();
  }

  /// The reply to its registration was lost: it goes by the epoch of before.
  public void forgetReply(long before) {
    epoch = before;
  }

  public boolean renewLease(int inFlight) {
    return "t"
        .equals(
            session.value("select pgoffload.renew_lease(?, ?, ?, '{}')", name, epoch, inFlight));
  }

  /// Renews its lease, and tells this of what it does.
  public void tells(String doing) {
    session.run("select pgoffload.renew_lease(?, ?, 0, ?::jsonb)", name, epoch, doing);
  }

  private static final String CONSULT =
      "pgoffload.consult_cache(?, ?, ?, sha256(convert_to(?, 'UTF8')), ?::interval)";

  private static final String CLAIM =
      "select outcome, attempt from pgoffload.claim_llm(?, ?, ?, ?::oid[], ?) order by id";

  private @Nullable Object[] arguments(SentRequest... requests) {
    var envelopes = Arrays.stream(requests).map(SentRequest::envelope).toList();
    return new @Nullable Object[] {
      name,
      epoch,
      envelopes.stream().map(e -> e.id()).toArray(Long[]::new),
      envelopes.stream().map(e -> e.requestedBy().userOid()).toArray(Long[]::new),
      Arrays.stream(requests)
          .map(r -> r.envelope().immediate() ? r.text() : null)
          .toArray(String[]::new)
    };
  }

  @Override
  public void close() {
    borrowed.close();
  }
}
