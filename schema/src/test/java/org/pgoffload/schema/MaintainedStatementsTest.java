package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.StringReader;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/// Whatever statement changes rows: each change is asked about once, and what is taken back is not.
final class MaintainedStatementsTest extends WithMaintainedRows {
  private static final String COUNTS = "pending, done, failed, stale";

  @BeforeEach
  void declare() {
    keeper.run(MOOD);
  }

  private List<String> moods() {
    return database.admin().rows("select id, mood from shop.ticket order by id");
  }

  private void copy(String into, String lines) throws SQLException, IOException {
    writer
        .connection()
        .unwrap(PGConnection.class)
        .getCopyAPI()
        .copyIn("copy " + into + " from stdin", new StringReader(lines));
  }

  @Test
  void mergeAsksAboutWhatItsBranchesInsertAndUpdate() {
    write(1, "one");
    write(2, "two");
    write(3, "three");
    write(4, "four");
    answerAll();
    writer.run(
        """
        merge into shop.ticket t
        using (values (1, 'first', 'update'), (2, 'two', 'update'), (3, null, 'delete'), (4, 'fourth', 'none'), (5, 'fifth', 'none'))
          v (id, body, what) on t.id = v.id
        when matched and v.what = 'delete' then delete
        when matched and v.what = 'update' then update set body = v.body
        when matched then do nothing
        when not matched then insert (id, subject, body) values (v.id, 'new', v.body)
        """);
    answerAll();
    assertThat(moods())
        .containsExactly(
            "1|THE MOOD OF: ONE FIRST",
            "2|THE MOOD OF: TWO TWO",
            "4|THE MOOD OF: FOUR FOUR",
            "5|THE MOOD OF: NEW FIFTH");
    // four at first, one updated and one inserted
    assertThat(shown(COUNTS)).isEqualTo("0|6|0|0");
    writer.run(
        "begin; merge into shop.ticket t using (values (1), (6)) v (id) on t.id = v.id"
            + " when matched then update set body = 'never' when not matched then insert (id, body) values (v.id, 'never');"
            + " rollback");
    assertThat(asked()).isEmpty();
  }

  @Test
  void mergeAsksAboutWhatItsSourceLacks() {
    if (!database.isAtLeast(17)) {
      return;
    }
    write(1, "one");
    write(2, "two");
    write(3, "three");
    answerAll();
    assertThat(
            writer.rows(
                """
                merge into shop.ticket t using (values (1)) v (id) on t.id = v.id
                when not matched by source and t.id = 2 then update set body = 'alone'
                when not matched by source then delete
                returning merge_action(), t.id
                """))
        .containsExactlyInAnyOrder("UPDATE|2", "DELETE|3");
    answerAll();
    assertThat(moods()).containsExactly("1|THE MOOD OF: ONE ONE", "2|THE MOOD OF: TWO ALONE");
    assertThat(shown(COUNTS)).isEqualTo("0|4|0|0");
  }

  @Test
  void mergeMovesRowsBetweenPartitions() {
    keeper.run(
        "select llm_maintain('gists', source => 'shop.event', target => 'gist', ask => '{body}')");
    writer.run("insert into shop.event values ('a', '2026-05-05', 'one')");
    answerAll();
    writer.run(
        """
        merge into shop.event e using (values ('a', date '2026-05-05'), ('b', '2026-06-06')) v (kind, day) on e.kind = v.kind
        when matched then update set day = '2027-05-05', body = 'moved'
        when not matched then insert (kind, day, body) values (v.kind, v.day, 'new')
        """);
    answerAll();
    assertThat(database.admin().rows("select day, kind, gist from shop.event order by 1"))
        .containsExactly("2026-06-06|b|NEW", "2027-05-05|a|MOVED");
    assertThat(keeper.rows("select " + COUNTS + " from llm_maintained where name = 'gists'"))
        .containsExactly("0|3|0|0");
  }

  @Test
  void copyAsksAboutEachRowOrAboutNone() throws SQLException, IOException {
    keeper.run(
        "select llm_maintain('gists', source => 'shop.event', target => 'gist', ask => '{body}')");
    copy("shop.ticket (id, subject, body)", "1\ta\tone\n2\t\\N\ttwo\n3\t\\N\t\\N\n");
    copy("shop.event (kind, day, body)", "a\t2026-05-05\trouted\na\t2027-05-05\tdeep\n");
    copy("shop.event_2026 (kind, day, body)", "b\t2026-05-05\tdirect\n");
    answerAll();
    assertThat(moods()).containsExactly("1|THE MOOD OF: A ONE", "2|THE MOOD OF:  TWO", "3|null");
    assertThat(database.admin().rows("select kind, day, gist from shop.event order by 2, 1"))
        .containsExactly("a|2026-05-05|ROUTED", "b|2026-05-05|DIRECT", "a|2027-05-05|DEEP");

    // its last row has a key that is taken
    var lines =
        IntStream.range(0, 1200)
            .mapToObj(i -> "%d\ts\trow %d\n".formatted(1200 - i, i))
            .collect(Collectors.joining());
    assertThatThrownBy(() -> copy("shop.ticket (id, subject, body)", lines))
        .isInstanceOf(SQLException.class);
    assertThat(asked()).isEmpty();
    writer.run("delete from shop.ticket");
    copy("shop.ticket (id, subject, body)", lines);
    assertThat(prompts()).hasSize(1200).doesNotHaveDuplicates();
  }

  @Test
  void truncateLeavesNothingToAnswer() {
    write(1, "answered");
    answerAll();
    write(2, "asked about");
    var request = asked().getFirst();
    keeper.run("select llm_maintain_pause('mood')");
    write(3, "due");
    writer.run("truncate shop.ticket cascade");
    keeper.run("select llm_maintain_resume('mood')");
    database.record(database.answered(request.id(), "keeper", "late"));
    // a row of the same key is another row
    write(2, "new");
    answerAll();
    assertThat(moods()).containsExactly("2|THE MOOD OF: NEW NEW");
    assertThat(shown(COUNTS + ", status")).isEqualTo("0|2|0|1|active");
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_due")).isZero();
  }

  @Test
  void aTruncateThatIsTakenBackLosesNoAnswer() {
    write(1, "asked about");
    var request = asked().getFirst();
    keeper.run("select llm_maintain_pause('mood')");
    write(2, "due");
    keeper.run("select llm_maintain_resume('mood')");
    writer.run(
        "begin; truncate shop.ticket cascade; insert into shop.ticket (id, body) values (1, 'never')");
    writer.run("rollback");
    database.record(database.answered(request.id(), "keeper", "good"));
    answerAll();
    assertThat(moods()).containsExactly("1|good", "2|THE MOOD OF: DUE DUE");
    assertThat(shown(COUNTS)).isEqualTo("0|2|0|0");
  }

  @Test
  void anUpsertAsksAboutWhatItInsertsAndWhatItChanges() {
    write(1, "one");
    write(2, "two");
    answerAll();
    writer.run(
        """
        insert into shop.ticket (id, subject, body) values (1, 'x', 'first'), (2, 'x', 'two'), (3, 'new', 'third')
        on conflict (id) do update set body = excluded.body;
        insert into shop.ticket (id, subject, body) values (1, 'x', 'never'), (4, 'new', 'fourth') on conflict do nothing
        """);
    answerAll();
    assertThat(moods())
        .containsExactly(
            "1|THE MOOD OF: ONE FIRST",
            "2|THE MOOD OF: TWO TWO",
            "3|THE MOOD OF: NEW THIRD",
            "4|THE MOOD OF: NEW FOURTH");
    assertThat(shown(COUNTS)).isEqualTo("0|5|0|0");
  }

  @Test
  void anUpdateByAnotherTableAsksAboutTheRowsThatItChanges() {
    write(1, "one");
    write(2, "two");
    write(3, "three");
    answerAll();
    writer.run(
        """
        update shop.ticket t set body = v.body from (values (1, 'first'), (2, 'two'), (1, 'first')) v (id, body) where t.id = v.id;
        with gone as (delete from shop.ticket where id = 3 returning *)
        insert into shop.ticket (id, subject, body) select id + 10, subject, 'moved' from gone
        """);
    answerAll();
    assertThat(moods())
        .containsExactly(
            "1|THE MOOD OF: ONE FIRST", "2|THE MOOD OF: TWO TWO", "13|THE MOOD OF: THREE MOVED");
    assertThat(shown(COUNTS)).isEqualTo("0|5|0|0");
  }

  @Test
  void whatASavepointTakesBackIsNotAskedAbout() {
    writer.run("begin");
    write(1, "kept");
    writer.run("savepoint s");
    write(2, "never");
    writer.run("update shop.ticket set body = 'never' where id = 1");
    writer.run("rollback to s");
    writer.run("commit");
    assertThat(prompts()).containsExactly("The mood of: kept kept");
  }

  @Test
  void whatADeferredConstraintTakesBackIsNotAskedAbout() {
    database
        .admin()
        .run("alter table shop.ticket add unique (subject) deferrable initially deferred");
    write(1, "a");
    answerAll();
    writer.run("begin");
    write(2, "b");
    writer.run("update shop.ticket set subject = 'a' where id = 2");
    assertThat(writer.refused("commit").state()).isEqualTo("23505");
    assertThat(asked()).isEmpty();
    assertThat(moods()).containsExactly("1|THE MOOD OF: A A");
  }

  /// Only at the end of the statement, or of the transaction, the keys are those of one row each.
  @Test
  void keysThatAreExchangedAreAskedAboutAnew() {
    database
        .admin()
        .run(
            """
            alter table shop.ticket_chunk drop constraint ticket_chunk_id_fkey;
            alter table shop.ticket drop constraint ticket_pkey, add primary key (id) deferrable initially deferred
            """);
    keeper.run("select llm_maintain_resume('mood')");
    write(1, "one");
    write(2, "two");
    var requests = asked();
    writer.run(
        "begin; update shop.ticket set id = 2 where id = 1; update shop.ticket set id = 1 where body = 'two'; commit");
    for (var request : requests) {
      database.record(database.answered(request.id(), "keeper", "of the other row"));
    }
    answerAll();
    assertThat(moods()).containsExactly("1|THE MOOD OF: TWO TWO", "2|THE MOOD OF: ONE ONE");
    assertThat(shown(COUNTS)).isEqualTo("0|2|0|2");
  }

  @Test
  void anAnswerThatADeferredConstraintRefusesIsTheFailureOfItsRow() {
    database.admin().run("alter table shop.ticket add unique (mood) deferrable initially deferred");
    write(1, "a");
    write(2, "b");
    write(3, "c");
    answerAll(request ->
        database.answered(
            request.id(), "keeper", prompt(request).endsWith("c") ? "unlike" : "alike"));
    assertThat(
            database.admin().rows("select mood from shop.ticket where mood is not null order by 1"))
        .containsExactly("alike", "unlike");
    assertThat(shown(COUNTS)).isEqualTo("0|2|1|0");
    assertThat(keeper.value("select error from llm_maintain_failed('mood')"))
        .startsWith("not_written: 23505: ");
  }

  @Test
  void whatIsWrittenAsByAReplicaIsFoundByABackfill() {
    write(1, "one");
    write(2, "two");
    answerAll();
    var replica = closedAfterTheTest(Session.open(database.address()));
    replica.run(
        """
        set session_replication_role = replica;
        insert into shop.ticket (id, subject, body) values (3, 'new', 'third');
        update shop.ticket set body = 'first' where id = 1
        """);
    answerAll();
    assertThat(moods())
        .containsExactly("1|THE MOOD OF: ONE ONE", "2|THE MOOD OF: TWO TWO", "3|null");
    keeper.run("select llm_maintain_backfill('mood')");
    answerAll();
    assertThat(moods())
        .containsExactly(
            "1|THE MOOD OF: ONE FIRST", "2|THE MOOD OF: TWO TWO", "3|THE MOOD OF: NEW THIRD");
    assertThat(shown(COUNTS)).isEqualTo("0|4|0|0");
  }

  @Test
  void aTableThatInheritsFromTheSourceStopsItAndDisturbsNoWriter() {
    write(1, "one");
    var request = asked().getFirst();
    database
        .admin()
        .run(
            "create table shop.kid () inherits (shop.ticket); grant all on shop.kid to ticket_writer");
    writer.run(
        "insert into shop.kid (id, subject, body, serial) values (1, 'kid', 'kid', 1), (7, 'k', 'k', 7)");
    database.record(database.answered(request.id(), "keeper", "of the parent's row"));
    answerAll();
    write(2, "two");
    // of both tables
    writer.run("update shop.ticket set body = body || '!'");
    answerAll();
    assertThat(database.admin().number("select count(mood) from shop.ticket")).isZero();
    assertThat(shown("status")).isEqualTo("blocked");
    assertThat(shown("paused")).contains("part of an inheritance tree");
    assertThat(keeper.refused("select llm_maintain_resume('mood')").state()).isEqualTo("42809");

    database.admin().run("drop table shop.kid");
    answerAll();
    assertThat(moods()).containsExactly("1|THE MOOD OF: ONE ONE!", "2|THE MOOD OF: TWO TWO!");
    assertThat(shown("status, pending, failed")).isEqualTo("active|0|0");
  }
}
