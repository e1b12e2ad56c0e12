package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests that are sent again from the dead letters, as their owner asks for.
final class ReplayTest extends OnPostgresVersions {
  private static final String REPLAY =
      "select pgoffload.replay_request(convert_to(?, 'UTF8'), ?, decode(?, 'hex'))";
  private static final String FORCE =
      "select pgoffload.replay_request(convert_to(?, 'UTF8'), ?, decode(?, 'hex'), true)";

  private Session admin;
  private Session app;

  @BeforeEach
  void logIn() {
    admin = database.admin();
    app = closedAfterTheTest(database.open("app"));
  }

  @AfterEach
  void resetSettings() {
    admin.run("reset all");
  }

  private long replayed(String sql, SentRequest letter) {
    return admin.number(sql, letter.text(), letter.signature().keyId(), letter.signature().mac());
  }

  private SqlError refused(String sql, SentRequest letter) {
    return admin.refused(sql, letter.text(), letter.signature().keyId(), letter.signature().mac());
  }

  private SentRequest askedAtOnce() {
    app.number(
        """
        select pgoffload.emit_llm_request('ask', 'Grüße', 's', null, null, '{"temperature": 1}', '90 s', 'k',
          '{"a": 1}', null, null, null)
        """);
    return database.onlySent();
  }

  @Test
  void aReplayIsANewRequestOfTheSameRole() {
    var old = askedAtOnce();
    admin.run("set llm.model = 'the owner''s'; set llm.timeout = '1 s'");
    var id = replayed(REPLAY, old);
    var sent = database.onlySent();
    assertThat(sent.id()).isEqualTo(id).isNotEqualTo(old.id());
    assertThat(sent.transactional()).isTrue();
    assertThat(sent.envelope().timeout()).hasSeconds(90);
    assertThat(sent.envelope().orderingKey()).isEqualTo("k");
    assertThat(sent.envelope().requestedBy().user()).isEqualTo("app");
    assertThat(sent.envelope().requestedBy().userOid()).isEqualTo(database.oid("app"));
    assertThat(sent.envelope().payload().path("retry_of").asLong()).isEqualTo(old.id());
    assertThat(sent.envelope().payload().path("prompt").asText()).isEqualTo("Grüße");
    assertThat(sent.envelope().payload().has("model")).isFalse();
    assertThat(app.value("select llm_status(?)", id)).isEqualTo("queued");
    assertThat(app.rows("select retry_of from llm_request where id = ?", id))
        .containsExactly(Long.toString(old.id()));
    // known now, so that it can be seen what was repeated
    assertThat(app.value("select prompt from llm_request where id = ?", old.id()))
        .isEqualTo("Grüße");
  }

  @Test
  void embeddingsAreSentAgainToo() {
    app.number("insert into llm_request (kind, inputs) values ('embed', '{a,b}') returning id");
    var old = database.onlySent();
    replayed(REPLAY, old);
    assertThat(database.onlySent().envelope().payload().path("inputs"))
        .extracting(node -> node.asText())
        .containsExactly("a", "b");
  }

  @Test
  void sqlIsSentAgainAsItWasLaunched() {
    try (var ann = database.open("ann")) {
      ann.run("set work_mem = '7MB'");
      ann.run("insert into sql_request (command, label, timeout) values ('select 1', 'l', '1 h')");
      var old = database.onlySent();
      var id = replayed(REPLAY, old);
      var sent = database.onlySent();
      assertThat(sent.id()).isEqualTo(id);
      assertThat(sent.envelope().timeout()).hasHours(1);
      assertThat(sent.envelope().requestedBy().user()).isEqualTo("ann");
      for (var field : new String[] {"command", "label", "login_oid", "settings", "session"}) {
        assertThat(sent.envelope().payload().get(field))
            .isEqualTo(old.envelope().payload().get(field));
      }
      assertThat(ann.value("select retry_of from sql_request where id = ?", id))
          .isEqualTo(Long.toString(old.id()));
      assertThat(ann.value("select sql_status(?)", id)).isEqualTo("queued");
    }
  }

  /// Any role may hold any advisory lock, for as long as it likes.
  @Test
  void nobodyElseCanHoldAReplayUp() {
    var old = askedAtOnce();
    try (var mallory = database.open("mallory")) {
      mallory.run("select pg_advisory_lock(1885826919, ?)", (int) old.id());
      assertThat(replayed(REPLAY, old)).isPositive();
      mallory.run("begin");
      assertThat(mallory.refused("lock table pgoffload.replay in share row exclusive mode").state())
          .isEqualTo("42501");
    }
  }

  @Test
  void nothingIsSentAgainTwiceUnlessItIsForced() {
    var old = askedAtOnce();
    var first = replayed(REPLAY, old);
    var error = refused(REPLAY, old);
    assertThat(error.state()).isEqualTo("55000");
    assertThat(error.message()).contains("as request " + first);
    assertThat(replayed(FORCE, old)).isGreaterThan(first);
  }

  @Test
  void whatHasSucceededOrRunsIsNotSentAgainUnlessItIsForced() {
    var id = database.inserted("app");
    var old = database.onlySent();
    try (var worker = database.worker("w")) {
      worker.claim(old);
      assertThat(refused(REPLAY, old).message()).contains("is being executed");
      database.record(database.answered(id, "app", "42"));
      assertThat(refused(REPLAY, old).message()).contains("has succeeded");
    }
    assertThat(replayed(FORCE, old)).isGreaterThan(id);
    var failed = database.inserted("app");
    var letter = database.sent().getLast();
    database.record(database.ended(failed, "app", "failed", "too_old", "too old"));
    assertThat(replayed(REPLAY, letter)).isGreaterThan(failed);
  }

  @Test
  void whatIsNotOursIsNotSent() {
    var letter = askedAtOnce();
    var text = letter.text();
    var signature = letter.signature();
    assertThat(admin.refused(REPLAY, text + " ", signature.keyId(), signature.mac()).message())
        .contains("not signed by this installation");
    assertThat(admin.refused(REPLAY, text, signature.keyId() + 99, signature.mac()).message())
        .contains("not signed by this installation");
    assertThat(admin.refused(REPLAY, text, signature.keyId(), "00").message())
        .contains("not signed by this installation");
    assertThat(admin.refused("select pgoffload.replay_request(null, null, null)").message())
        .contains("not signed by this installation");
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "no JSON|cannot be read",
        "{}|of version",
        "{\"version\":2,\"id\":1}|of version 2",
        "{\"version\":1,\"id\":1,\"installation\":\"other\"}|for another installation",
        "{\"version\":1,\"id\":1,\"installation\":\"%s\"}|not complete",
        "{\"version\":1,\"id\":1,\"installation\":\"%s\",\"kind\":\"cancel\",\"payload\":{},"
            + "\"requested_by\":{\"user_oid\":10}}|kind cancel",
        "{\"version\":1,\"id\":1,\"installation\":\"%s\",\"kind\":\"ask\",\"payload\":{},"
            + "\"requested_by\":{\"user_oid\":4711,\"user\":\"gone\"}}|gone, does not exist",
      })
  void whatIsOursButCannotBeSentSaysWhatToDo(String textAndWords) {
    var parts = textAndWords.split("\\|", 2);
    var text = parts[0].replace("%s", admin.value("select id from pgoffload.installation"));
    // the owner may sign whatever he likes
    var signed =
        admin.rows(
            """
            select k.key_id, encode(sha256(s.outer_pad || sha256(s.inner_pad || convert_to(?, 'UTF8'))), 'hex')
            from pgoffload.signer s join pgoffload.signing_key k using (key_id)
            """,
            text);
    var columns = signed.getFirst().split("\\|", 2);
    var error = admin.refused(REPLAY, text, Integer.parseInt(columns[0]), columns[1]);
    assertThat(error.message()).contains(parts[1]);
    assertThat(error.hint()).isNotBlank();
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void aKeyThatHasRetiredIsGoodForWhatItHasSigned() {
    var letter = askedAtOnce();
    admin.run("select pgoffload.new_signing_key()");
    admin.run(
        "update pgoffload.signing_key set retired_at = now() where key_id = "
            + letter.signature().keyId());
    assertThat(replayed(REPLAY, letter)).isPositive();
  }

  @Test
  void aRoleWithoutTheRightIsNotAskedFor() {
    admin.run("create role leaver login password 'leaver'; grant llm_user to leaver");
    try (var leaver = database.open("leaver")) {
      leaver.run("insert into llm_request (prompt) values ('x')");
    }
    var letter = database.onlySent();
    admin.run("revoke llm_user from leaver");
    var error = refused(REPLAY, letter);
    assertThat(error.state()).isEqualTo("42501");
    assertThat(error.hint()).contains("grant llm_user to leaver");
    admin.run("drop role leaver");
  }

  @Test
  void nobodyButTheOwnerMaySendForOthers() {
    var letter = askedAtOnce();
    for (var role : new String[] {"app", "worker_login"}) {
      try (var session = database.open(role)) {
        assertThat(
                session
                    .refused(
                        REPLAY, letter.text(), letter.signature().keyId(), letter.signature().mac())
                    .state())
            .isEqualTo("42501");
        assertThat(session.refused("select * from pgoffload.replay").state()).isEqualTo("42501");
      }
    }
  }
}
