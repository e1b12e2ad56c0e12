package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Dead letters that operators replay and discard.
final class SettledLettersTest extends OnPostgresVersions {
  private static final String LETTER =
      "{\"position\": \"pgoffload.dead-letters-0@7\", \"came_at\": \"2026-01-02T03:04:05.678Z\","
          + " \"reason\": \"too_old\", \"id\": 42}";
  private static final String REPLAY =
      "select pgoffload.replay_letter('"
          + LETTER
          + "', convert_to(?, 'UTF8'), ?, decode(?, 'hex'), ?::boolean)";
  private static final String DISCARD = "select pgoffload.discard_letter('" + LETTER + "')";
  private static final String SETTLED =
      "select position, came_at at time zone 'UTC', replayed_as from pgoffload.settled_letter order by action";
  private static final String ACTIONS =
      "select what, ids, names, role_name, detail ->> 'reason', detail ->> 'force' from pgoffload.action order by number";

  private Session ops;
  private SentRequest sent;

  @BeforeEach
  void ask() {
    database.admin().run("truncate pgoffload.settled_letter; delete from pgoffload.action");
    ops = closedAfterTheTest(database.open("ops"));
    database.inserted("app");
    sent = database.onlySent();
  }

  private Object[] letter(boolean force) {
    return new Object[] {
      sent.text(), sent.signature().keyId(), sent.signature().mac(), Boolean.toString(force)
    };
  }

  @Test
  void anOperatorSendsALetterAgainAndIsNoted() {
    long again = ops.number(REPLAY, letter(false));
    assertThat(database.onlySent().id()).isEqualTo(again);
    assertThat(ops.rows(SETTLED))
        .containsExactly("pgoffload.dead-letters-0@7|2026-01-02 03:04:05.678|" + again);
    assertThat(ops.refused(REPLAY, letter(false)))
        .satisfies(refused -> assertThat(refused.state()).isEqualTo("55000"))
        .satisfies(refused -> assertThat(refused.message()).contains("as request " + again));
    // what was refused was not done
    assertThat(ops.rows(ACTIONS))
        .containsExactly("replay_letter|{42}|{pgoffload.dead-letters-0@7}|ops|too_old|null");
    assertThat(ops.number(REPLAY, letter(true))).isGreaterThan(again);
    assertThat(ops.rows(ACTIONS)).hasSize(2).last().asString().endsWith("|true");
    assertThat(ops.rows(SETTLED)).hasSize(2);
  }

  @Test
  void anOperatorDiscardsALetterAndIsNoted() {
    ops.run(DISCARD);
    assertThat(ops.rows(SETTLED))
        .containsExactly("pgoffload.dead-letters-0@7|2026-01-02 03:04:05.678|null");
    assertThat(ops.rows(ACTIONS))
        .containsExactly("discard_letter|{42}|{pgoffload.dead-letters-0@7}|ops|too_old|null");
    assertThat(ops.refused("select pgoffload.discard_letter('{}')").state()).isEqualTo("22023");
  }

  @Test
  void nothingIsSettledThatIsNotNoted() {
    var settle = "select pgoffload.settle_letter(?, null, null, null, false)";
    assertThat(ops.refused(settle, 1L).state()).isEqualTo("55000");
    ops.run(DISCARD);
    long noted = ops.number("select number from pgoffload.action");
    // of another transaction, and of another kind
    assertThat(ops.refused(settle, noted).state()).isEqualTo("55000");
    assertThat(
            ops.refused(
                    "select pgoffload.settle_letter(pgoffload.note_action('cancel'), null, null, null, false)")
                .state())
        .isEqualTo("55000");
    // once for each
    ops.run("begin");
    long once =
        ops.number("select pgoffload.note_letter('discard_letter', '" + LETTER + "', false)");
    ops.run("select pgoffload.settle_letter(" + once + ", null, null, null, false)");
    assertThat(ops.refused(settle, once).state()).isEqualTo("23505");
    ops.run("rollback");
    assertThat(ops.refused("insert into pgoffload.settled_letter values (1, '', now())").state())
        .isEqualTo("42501");
  }

  @Test
  void othersSettleAndSeeNothing() {
    try (var app = database.open("app")) {
      for (var statement : new String[] {DISCARD, "select 1 from pgoffload.settled_letter"}) {
        assertThat(app.refused(statement).state()).isEqualTo("42501");
      }
      assertThat(app.refused(REPLAY, letter(false)).state()).isEqualTo("42501");
    }
  }

  @Test
  void forgetsWhatWasSettledOnceKafkaHasRemovedTheLetters() {
    ops.run(DISCARD);
    var admin = database.admin();
    admin.run("update pgoffload.settled_letter set settled_at = now() - interval '8 days'");
    admin.run("select pgoffload.remove_old_rows()");
    assertThat(ops.rows(SETTLED)).hasSize(1);
    admin.run("update pgoffload.settled_letter set settled_at = now() - interval '10 days'");
    admin.run("select pgoffload.remove_old_rows()");
    assertThat(ops.rows(SETTLED)).isEmpty();
  }
}
