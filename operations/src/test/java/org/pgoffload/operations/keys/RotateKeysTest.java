package org.pgoffload.operations.keys;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.operations.RemoveOldKeys;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.PlayedTask;
import org.pgoffload.schema.SentRequest;
import org.pgoffload.schema.Session;

/// The life of the keys that sign. The test plays the producer's sweep.
final class RotateKeysTest extends OnPostgresVersions {
  private Session admin;

  @BeforeEach
  @SuppressWarnings("NullAway.Init")
  void answerEverything() {
    admin = database.admin();
    admin.run("delete from pgoffload.capture_break");
    // what the first test inserts is not the installation's very first request
    database.record(database.answered(database.inserted("app"), "app", "a"));
    admin.run(
        "select pgoffload.end_revoked(u.id, u.is_sql) from pgoffload.unanswered(0, 1::bigint << 52) u");
    database.sent();
  }

  @Test
  void signsWithTheNewKeyAndAcceptsWhatTheOldOneHasSigned() {
    var before = insertAndSee();
    int key = RotateKeys.rotate(database.address());
    var after = insertAndSee();
    assertThat(after.signature().keyId()).isEqualTo(key).isGreaterThan(before.signature().keyId());
    assertThat(database.signingKeys().verify(before.bytes(), before.signature())).isTrue();
    assertThat(RotateKeys.list(database.address()))
        .extracting(SigningKey::id, SigningKey::state)
        .startsWith(
            org.assertj.core.groups.Tuple.tuple(key, SigningKey.State.SIGNS),
            org.assertj.core.groups.Tuple.tuple(
                before.signature().keyId(), SigningKey.State.ACCEPTED));
    assertThat(RotateKeys.list(database.address()).getFirst().toString()).doesNotContain("key=");
  }

  @Test
  void keepsAKeyForWhoeverStillSignsWithItAndRemovesItWithTheLastThatItHasSigned()
      throws Exception {
    try (var old = database.open("app")) {
      old.run("begin isolation level repeatable read");
      old.run("select count(*) from llm_request");
      int key = (int) admin.number("select key_id from pgoffload.signer");
      RotateKeys.rotate(database.address());
      old.run("insert into llm_request (prompt) values ('of before')");
      RemoveOldKeys.run(database.address());
      assertThat(sealed(key)).isFalse();
      old.run("commit");
      var sent = database.onlySent();
      assertThat(sent.signature().keyId()).isEqualTo(key);
      seal(key);
      admin.run(
          "update pgoffload.signing_key set sealed_at = sealed_at - interval '30 days' where key_id = ?",
          key);
      admin.run("update pgoffload.id_range set begun_at = clock_timestamp() - interval '40 days'");
      // what it has signed is kept
      assertThat(RemoveOldKeys.run(database.address())).isEmpty();
      admin.run("update pgoffload.id_range set begun_at = clock_timestamp()");
      assertThat(RemoveOldKeys.run(database.address())).contains("removed signing key " + key);
      assertThat(database.signingKeys().knows(key)).isFalse();
      assertThat(insertAndSee().signature().keyId()).isGreaterThan(key);
    }
  }

  @Test
  void aRevokedKeysInsertedRequestsAreSignedAgainAndItsImmediateOnesFail() throws Exception {
    try (var app = database.open("app");
        var unseen = database.open("app");
        var ann = database.open("ann");
        var worker = database.worker("w");
        var sql = database.sqlWorker("s");
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var inserted = insertAndSee();
      var asked =
          CompletableFuture.supplyAsync(
              () -> app.refused("select llm_ask('p', timeout => '20 s')"), threads);
      var askedSent = database.awaitSent();
      worker.claim(askedSent);
      var waiting =
          CompletableFuture.supplyAsync(
              () -> unseen.refused("select llm_ask('p', timeout => '20 s')"), threads);
      database.awaitSent();
      var pid = ann.number("select pg_background_launch('create table made_by_a_forger ()')");
      var task = database.awaitSent();
      var claim = sql.claim(task);
      try (var running = PlayedTask.begin(database, task, claim)) {
        running.session().run("create temp table made_by_a_forger ()");

        var revocation = RotateKeys.revoke(database.address());
        var keys = database.signingKeys();
        assertThat(keys.knows(inserted.signature().keyId())).isFalse();
        assertThat(keys.knows(revocation.keyId())).isTrue();
        assertThat(sweep()).isEqualTo(1);
        assertThat(database.onlySent())
            .satisfies(again -> {
              assertThat(again.id()).isEqualTo(inserted.id());
              assertThat(again.signature().keyId()).isEqualTo(revocation.keyId());
            });
        // recorded, by what a forger may have said
        var recorded = asked.join();
        assertThat(recorded.state()).isEqualTo("LM001");
        assertThat(recorded.message()).contains("key_revoked");
        var lost = waiting.join();
        assertThat(lost.state()).isEqualTo("PO003");
        assertThat(lost.message()).contains("signed with a key that has been revoked");
        // what such a task has done is rolled back
        assertThat(
                running
                    .session()
                    .refused(
                        "select pgoffload.complete_sql(?, ?, ?::uuid, '{\"status\": \"succeeded\"}', null)",
                        running.request().id(),
                        running.attempt(),
                        running.token())
                    .state())
            .isEqualTo("PO002");
      }
      assertThat(ann.refused("select * from pg_background_result(" + pid + ") as (t text)").state())
          .isEqualTo("PO003");
      // nor is it sent again from the dead letters
      assertThat(
              admin
                  .refused(
                      "select pgoffload.replay_request(convert_to(?, 'UTF8'), ?, decode(?, 'hex'), true)",
                      askedSent.text(),
                      askedSent.signature().keyId(),
                      askedSent.signature().mac())
                  .detail())
          .contains("which was revoked");
    }
  }

  @Test
  void whatIsInsertedBySomebodyWhoStillSawARevokedKeyIsSignedAgainOnceTheyHaveEnded()
      throws Exception {
    try (var old = database.open("app");
        var app = database.open("app");
        var worker = database.worker("w");
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      old.run("begin isolation level repeatable read");
      old.run("insert into llm_request (prompt) values ('before')");
      int revoked = (int) admin.number("select key_id from pgoffload.signer");
      var revocation = RotateKeys.revoke(database.address());
      assertThat(revocation.sealed()).isFalse();
      assertThat(sweep()).isZero();
      old.run("insert into llm_request (prompt) values ('after')");
      old.run("commit");
      assertThat(database.sentByAnybody())
          .extracting(sent -> sent.signature().keyId())
          .containsExactly(revoked, revoked);
      // asked in between, with the new key
      var asked =
          CompletableFuture.supplyAsync(
              () -> app.value("select llm_ask('p', timeout => '20 s')"), threads);
      var askedSent = database.awaitSent();
      worker.claim(askedSent);

      seal(revoked);
      assertThat(sweep()).isEqualTo(2);
      assertThat(database.sent())
          .hasSize(2)
          .allMatch(again -> again.signature().keyId() == revocation.keyId());
      database.record(database.answered(askedSent.id(), "app", "here"));
      assertThat(asked.join()).isEqualTo("here");
    }
  }

  @Test
  void isForTheOwnerAlone() {
    for (var role : List.of("app", "ann", "worker_login", "results_login", "nobody")) {
      try (var session = database.open(role)) {
        for (var call :
            List.of(
                "rotate_key()",
                "revoke_keys()",
                "seal_keys()",
                "remove_old_keys()",
                "new_signing_key()",
                "end_revoked(1, false)")) {
          assertThat(session.refused("select pgoffload." + call).state())
              .as("%s of %s", call, role)
              .isEqualTo("42501");
        }
      }
    }
  }

  private SentRequest insertAndSee() {
    database.inserted("app");
    return database.onlySent();
  }

  private boolean sealed(int key) {
    return admin.number(
            "select (sealed_at is not null)::int from pgoffload.signing_key where key_id = ?", key)
        == 1;
  }

  /// Others on the same server may have transactions open, of autovacuum for example.
  private void seal(int key) {
    Awaitility.await()
        .until(() -> {
          RemoveOldKeys.run(database.address());
          return sealed(key);
        });
  }

  private long sweep() {
    admin.run("update pgoffload.capture_break set broken_at = broken_at - interval '10 s'");
    var row = admin.rows("select number, snapshot::text from pgoffload.next_sweep()").getFirst();
    var fields = row.split("\\|", -1);
    int number = Integer.parseInt(fields[0]);
    long sent =
        admin.number(
            "select sent from pgoffload.send_again(?, ?::pg_snapshot, -1, 100000)",
            number,
            fields[1]);
    admin.run("select pgoffload.end_sweep(?, ?, true)", number, sent);
    return sent;
  }
}
