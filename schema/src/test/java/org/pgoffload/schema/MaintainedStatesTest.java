package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Maintained columns that cannot go on at the moment lose nothing, and disturb no writer.
final class MaintainedStatesTest extends WithMaintainedRows {
  private static final String STEP =
      "update pgoffload.setting set value = ? where name = 'maintained_step'";

  @Test
  void whatChangesWhileItIsPausedIsAskedAboutWhenItIsResumed() {
    keeper.run(MOOD);
    keeper.run("select llm_maintain_pause('mood')");
    write(1, "a");
    write(2, "gone");
    writer.run(
        "update shop.ticket set body = 'b' where id = 1; delete from shop.ticket where id = 2");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("null");
    assertThat(shown("status, pending > 0, split_part(paused, ' since', 1)"))
        .isEqualTo("paused|t|by keeper");
    keeper.run("select llm_maintain_resume('mood')");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A B");
    assertThat(shown("status, pending, done, failed, stale")).isEqualTo("active|0|1|0|0");
  }

  @Test
  void whatIsRevokedBlocksAndWhatIsGrantedAgainGoesOn() {
    keeper.run(MOOD);
    write(1, "a");
    var request = asked().getFirst();
    database.admin().run("revoke update on shop.ticket from keeper");
    write(2, "b");
    assertThat(asked()).isEmpty();
    database.record(database.answered(request.id(), "keeper", "A"));
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("null");
    assertThat(shown("status")).isEqualTo("blocked");
    assertThat(shown("paused")).contains("UPDATE");
    database.admin().run("grant update on shop.ticket to keeper");
    answerAll();
    assertThat(ticket(1, "mood") + ticket(2, "mood")).isEqualTo("ATHE MOOD OF: B B");
    assertThat(shown("status, paused")).isEqualTo("active|null");
  }

  @Test
  void aRowThatOtherPoliciesHideBlocks() {
    keeper.run(MOOD);
    database
        .admin()
        .run(
            "alter table shop.ticket enable row level security; create policy p on shop.ticket using (true)");
    write(1, "a");
    step();
    assertThat(asked()).isEmpty();
    assertThat(shown("status")).isEqualTo("blocked");
  }

  @Test
  void aFailingVendorPausesItAndItGoesOnByItself() {
    keeper.run(MOOD);
    for (int i = 1; i <= 6; i++) {
      write(i, "t" + i);
    }
    for (var request : asked()) {
      database.record(
          database.ended(request.id(), "keeper", "failed", "authentication_failed", "wrong key"));
    }
    answerAll();
    assertThat(shown("status, failed, last_error"))
        .isEqualTo("failing|6|authentication_failed: wrong key");
    write(7, "t7");
    answerAll();
    assertThat(ticket(7, "mood")).isEqualTo("null");

    // its pause is over, and the vendor fails still: it is asked once
    endPause();
    step();
    answerAll(request ->
        database.ended(request.id(), "keeper", "failed", "authentication_failed", "wrong key"));
    assertThat(shown("status")).isEqualTo("failing");
    assertThat(database.admin().value("select failing_pause from pgoffload.maintained_state"))
        .isEqualTo("00:02:00");

    endPause();
    step();
    answerAll();
    assertThat(shown("status, pending, failed, last_error")).isEqualTo("active|0|0|null");
    assertThat(
            database
                .admin()
                .number("select count(*) from shop.ticket where mood like 'THE MOOD OF: T_ T_'"))
        .isEqualTo(7);
  }

  private void endPause() {
    database.admin().run("update pgoffload.maintained_state set failing_until = clock_timestamp()");
  }

  @Test
  void walksThroughATableInStepsAndGoesOnWhereItWas() {
    for (int i = 1; i <= 7; i++) {
      write(i, "t" + i);
    }
    writer.run("update shop.ticket set subject = null, body = null where id = 5");
    database.admin().run(STEP, "3");
    try {
      keeper.run(MOOD.replace("source", "backfill => true, source"));
      assertThat(shown("status")).isEqualTo("backfilling");
      step();
      sql.runAll();
      var sent = database.sent();
      assertThat(
              sent.stream()
                  .filter(r -> !r.envelope().kind().equals("sql"))
                  .map(WithMaintainedRows::prompt))
          .containsExactly("The mood of: t1 t1", "The mood of: t2 t2", "The mood of: t3 t3");
      // the next task, which does not come to its end, asks nothing
      var lost =
          sent.stream().filter(r -> r.envelope().kind().equals("sql")).findFirst().orElseThrow();
      var claim = sql.claim(lost);
      try (var task = PlayedTask.begin(database, lost, claim)) {
        task.execute(lost.envelope().payload().path("command").asText());
      }
      assertThat(
              sql.end(
                  lost.id(),
                  1,
                  "{\"status\": \"failed\", \"error\": {\"message\": \"m\", \"sqlstate\": \"57P01\"}}"))
          .isTrue();
      assertThat(asked()).isEmpty();
      assertThat(database.admin().value("select backfill_after from pgoffload.maintained_state"))
          .isEqualTo("{3}");
      database
          .admin()
          .run("update pgoffload.sql_result set finished_at = finished_at - interval '1 min'");
      answerAll();
      assertThat(shown("status, done")).isEqualTo("active|4");
    } finally {
      database.admin().run(STEP, "500");
    }
    assertThat(database.admin().number("select count(*) from shop.ticket where mood is not null"))
        .isEqualTo(3);
  }

  @Test
  void columnsAreKnownByTheirNumbers() {
    keeper.run(MOOD);
    database
        .admin()
        .run(
            """
            alter table shop.ticket drop column upper_body, drop column upper_mood;
            alter table shop.ticket rename column body to text;
            alter table shop.ticket add column body text default 'not this one';
            alter table shop.ticket rename column mood to feels;
            alter table shop.ticket alter column subject type varchar(100)
            """);
    writer.run("insert into shop.ticket (id, subject, text) values (1, 's', 't')");
    answerAll();
    assertThat(ticket(1, "feels")).isEqualTo("THE MOOD OF: S T");
    assertThat(shown("target")).isEqualTo("feels");
    // by which a dump of it is restored
    assertThat(
            database.admin().rows("select input_columns, target from pgoffload.maintained_column"))
        .containsExactly("{subject,text}|feels");
  }

  @Test
  void columnsThatExchangeTheirNamesStayWhatTheyWere() {
    keeper.run(MOOD);
    write(1, "before");
    database
        .admin()
        .run(
            """
            alter table shop.ticket rename column subject to other;
            alter table shop.ticket rename column body to subject;
            alter table shop.ticket rename column other to body
            """);
    writer.run("insert into shop.ticket (id, subject, body) values (2, 'b', 's')");
    writer.run("update shop.ticket set body = 's!' where id = 2");
    assertThat(hasFunctionOfToday()).isEqualTo("f");
    step();
    assertThat(hasFunctionOfToday()).isEqualTo("t");
    writer.run("update shop.ticket set subject = 'b!' where id = 2");
    writer.run("update shop.ticket set mood = 'none of these' where id = 2");
    assertThat(prompts())
        .containsExactly(
            "The mood of: before before",
            "The mood of: s b",
            "The mood of: s! b",
            "The mood of: s! b!");
  }

  /// @return whether its trigger function reads rows by the names that the columns have
  private @Nullable String hasFunctionOfToday() {
    return database
        .admin()
        .value(
            """
            select strpos(p.prosrc, pgoffload.names_digest(c)) > 0
            from pgoffload.maintained_column c join pg_proc p on p.proname = 'ask_maintained ' || c.name
            """);
  }

  @Test
  void itsTriggerFunctionIsMadeAnewForAnotherTypeAndNotElse() {
    keeper.run(MOOD);
    write(1, "a");
    var made = functionVersion();
    step();
    assertThat(functionVersion()).isEqualTo(made);
    database.admin().run("alter table shop.ticket alter column subject type varchar(100)");
    write(2, "b");
    step();
    assertThat(functionVersion()).isNotEqualTo(made);
    write(3, "c");
    assertThat(prompts())
        .containsExactly("The mood of: a a", "The mood of: b b", "The mood of: c c");
  }

  private @Nullable String functionVersion() {
    return database.admin().value("select xmin from pg_proc where proname = 'ask_maintained mood'");
  }

  @Test
  void theTriggerOfADroppedOneDoesNothingWhenItsNameIsDeclaredOfAnotherTable() {
    keeper.run(MOOD);
    keeper.run("select llm_maintain_drop('mood')");
    keeper.run(
        "select llm_maintain('mood', source => 'shop.event', target => 'gist', ask => '{body}')");
    write(1, "of the first table");
    assertThat(prompts()).isEmpty();
  }

  @Test
  void aColumnThatIsGoneDisturbsNoWriter() {
    keeper.run(MOOD);
    write(1, "a");
    var request = asked().getFirst();
    database.admin().run("alter table shop.ticket drop column upper_mood, drop column mood");
    write(2, "b");
    database.record(database.answered(request.id(), "keeper", "A"));
    answerAll();
    assertThat(shown("status")).isEqualTo("blocked");
    database.admin().run("alter table shop.ticket drop column upper_body, drop column body");
    writer.run(
        "insert into shop.ticket (id, subject) values (3, 'c'); update shop.ticket set subject = 'd'");
    database.admin().run("drop table shop.ticket cascade");
    step();
    assertThat(shown("status")).isEqualTo("blocked");
    keeper.run("select llm_maintain_drop('mood')");
    assertThat(keeper.rows("select * from llm_maintained")).isEmpty();
  }

  @Test
  void asksForRowsOfPartitionsHoweverTheyAreWritten() {
    keeper.run(
        "select llm_maintain('gists', source => 'shop.event', target => 'gist', ask => '{body}')");
    writer.run(
        """
        insert into shop.event values ('a', '2026-05-05', 'through the root');
        insert into shop.event_2026 values ('b', '2026-05-05', 'direct');
        insert into shop.event_2027_a values ('a', '2027-05-05', 'of a partition''s partition')
        """);
    database
        .admin()
        .run(
            """
            create table shop.event_2028 (gist text, extra int, body text, day date not null, kind text not null);
            alter table shop.event_2028 drop column extra;
            alter table shop.event attach partition shop.event_2028 for values from ('2028-01-01') to ('2029-01-01');
            grant all on shop.event_2028 to ticket_writer
            """);
    writer.run(
        "insert into shop.event_2028 (kind, day, body) values ('c', '2028-05-05', 'attached')");
    assertThat(prompts())
        .containsExactly("through the root", "direct", "of a partition's partition", "attached");
    writer.run("update shop.event set day = '2028-06-06' where kind = 'b'");
    answerAll();
    assertThat(
            database
                .admin()
                .rows("select day, kind, gist from shop.event where gist is not null order by 1"))
        .containsExactly("2028-06-06|b|DIRECT");
    writer.run("update shop.event set body = body || '!'");
    answerAll();
    assertThat(database.admin().rows("select gist from shop.event order by day, kind"))
        .containsExactly(
            "THROUGH THE ROOT!", "OF A PARTITION'S PARTITION!", "ATTACHED!", "DIRECT!");
  }

  @Test
  void replacesTheChunksOfARowTogether() {
    keeper.run(
        "select llm_maintain('chunks', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}',"
            + " chunk => '{\"tokens\": 5, \"overlap\": 1}')");
    write(1, "a");
    var request = asked().getFirst();
    assertThat(request.envelope().payload().at("/maintained/chunk").toString())
        .isEqualTo("{\"tokens\":5,\"overlap\":1}");
    chunked(request, "one", "two");
    answerAll();
    assertThat(chunks()).containsExactly("1|1|one|{1,3}", "1|2|two|{2,3}");
    writer.run("update shop.ticket set body = 'b' where id = 1");
    chunked(asked().getFirst(), "three");
    answerAll();
    assertThat(chunks()).containsExactly("1|1|three|{1,5}");
    writer.run("update shop.ticket set body = '' where id = 1");
    database.record(database.answered(asked().getFirst().id(), "keeper", null));
    answerAll();
    assertThat(chunks()).isEmpty();
    writer.run("update shop.ticket set body = 'c' where id = 1");
    var late = asked().getFirst();
    writer.run("delete from shop.ticket");
    chunked(late, "four");
    answerAll();
    assertThat(chunks()).isEmpty();
    assertThat(keeper.value("select failed from llm_maintained")).isEqualTo("0");
  }

  private void chunked(SentRequest request, String... texts) {
    var embeddings = new float[texts.length][];
    for (int i = 0; i < texts.length; i++) {
      embeddings[i] = new float[] {i + 1, texts[i].length()};
    }
    database.record(database.chunked(request.id(), "keeper", texts, embeddings));
  }

  private java.util.List<String> chunks() {
    return database
        .admin()
        .rows("select id, n, chunk, embedding from shop.ticket_chunk order by 1, 2");
  }

  @Test
  void anAnswerThatWasNotWrittenBeforeItsRangeIsRemovedIsAskedForAgain() {
    // of other tests
    database.answerAll();
    keeper.run(MOOD);
    write(1, "a");
    var request = asked().getFirst();
    database.admin().run("revoke update on shop.ticket from keeper");
    database.record(database.answered(request.id(), "keeper", "A"));
    answerAll();
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_answer"))
        .isEqualTo(1);
    database.admin().value("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
    database.admin().value("select pgoffload.begin_id_range()");
    assertThat(
            database
                .admin()
                .number("select unanswered from pgoffload.begin_removal(?)", request.id() >> 36))
        .isZero();
    database.admin().run("grant update on shop.ticket to keeper");
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
  }

  @Test
  void aPauseOfNineDaysLosesNothing() {
    try (var fresh = TestServer.of(version).newDatabase()) {
      OtherDatabase.makeTable(fresh);
      try (var _ = OtherDatabase.of(this, fresh)) {
        keeper.run(MOOD);
        write(1, "a");
        write(2, "b");
        answerAll();
        long day = fresh.admin().number("select pgoffload.current_id_range()");
        keeper.run("select llm_maintain_pause('mood')");
        write(3, "c");
        writer.run("update shop.ticket set body = 'changed' where id = 1");
        for (int i = 0; i < 9; i++) {
          fresh.admin().value("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
          fresh.admin().value("select pgoffload.begin_id_range()");
          step();
        }
        remove(fresh.admin(), day);
        keeper.run("select llm_maintain_resume('mood')");
        keeper.run("select llm_maintain_backfill('mood')");
        answerAll();
        assertThat(fresh.admin().rows("select id, mood from shop.ticket order by id"))
            .containsExactly(
                "1|THE MOOD OF: A CHANGED", "2|THE MOOD OF: B B", "3|THE MOOD OF: C C");
        // the one that had not changed was not asked about again
        assertThat(shown("pending, done, failed, stale, status")).isEqualTo("0|4|0|0|active");
      }
    }
  }

  private static void remove(Session admin, long range) {
    assertThat(admin.number("select unanswered from pgoffload.begin_removal(?)", range)).isZero();
    for (var statement :
        admin.rows(
            "select format('alter table %s detach partition %s; drop table %2$s', p.parent, p.partition)"
                + " from pgoffload.partitions_of(?) p",
            range)) {
      admin.run(statement);
    }
  }

  @Test
  void aCaptureThatIsAwayDisturbsNoWriter() {
    keeper.run(MOOD);
    database.admin().run("insert into pgoffload.capture_break (reason) values ('slot_lost')");
    try {
      write(1, "a");
    } finally {
      database.admin().run("delete from pgoffload.capture_break");
    }
    answerAll();
    assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
  }
}
