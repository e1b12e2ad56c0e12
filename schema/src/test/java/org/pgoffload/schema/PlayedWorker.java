package org.pgoffload.schema;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a worker does in the database.
final class PlayedWorker implements AutoCloseable {
  private final Session session;
  private final String name;
  private final long epoch;

  PlayedWorker(Session session, String name) {
    this.session = session;
    this.name = name;
    this.epoch =
        session.number("select pgoffload.register_worker(?, 'echo', 'echo-1', '0.1.0')", name);
  }

  Session session() {
    return session;
  }

  long epoch() {
    return epoch;
  }

  /// `outcome|attempt` of each, in the order of the ids.
  List<String> claim(SentRequest... requests) {
    return session.rows(CLAIM, arguments(requests));
  }

  SqlError refusedClaim(SentRequest... requests) {
    return session.refused(CLAIM, arguments(requests));
  }

  void releaseLease() {
    session.run("select pgoffload.release_lease(?, ?)", name, epoch);
  }

  boolean renewLease(int inFlight) {
    return "t"
        .equals(session.value("select pgoffload.renew_lease(?, ?, ?)", name, epoch, inFlight));
  }

  private static final String CLAIM =
      "select outcome, attempt from pgoffload.claim(?, ?, ?, ?::oid[], ?) order by id";

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
    session.close();
  }
}
