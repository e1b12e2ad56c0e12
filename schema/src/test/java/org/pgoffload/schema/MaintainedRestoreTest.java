package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/// Maintained columns that come into another installation with their rows stand still there until
/// they are resumed.
final class MaintainedRestoreTest extends WithMaintainedRows {
  /// What a dump of the whole database has of a maintained column, in the order in which it is
  /// restored: the data before the triggers.
  private static final List<String> DUMPED =
      List.of(
          "llm_request",
          "pgoffload.maintained_answer",
          "pgoffload.maintained_column",
          "pgoffload.maintained_count",
          "pgoffload.maintained_due",
          "pgoffload.maintained_row",
          "pgoffload.maintained_state");

  @Test
  void standsStillInAFreshDatabaseAndComparesAllRowsWhenItIsResumed()
      throws SQLException, IOException {
    keeper.run(MOOD);
    write(1, "as it was");
    write(2, "changed since");
    answerAll();
    write(3, "never answered");
    writer.run("update shop.ticket set body = 'by now' where id = 2");
    var old = database;
    try (var fresh = TestServer.of(version).newDatabase()) {
      restore(old, fresh);
      try (var back = OtherDatabase.of(this, fresh)) {
        assertThat(shown("status, source, target")).isEqualTo("paused|shop.ticket|mood");
        assertThat(shown("paused"))
            .contains("another installation")
            .contains("llm_maintain_resume");
        writer.run("update shop.ticket set body = body || '!' where id = 2");
        step();
        assertThat(database.sent()).isEmpty();
        assertThat(ticket(2, "mood")).isEqualTo("THE MOOD OF: CHANGED SINCE CHANGED SINCE");

        keeper.run("select llm_maintain_resume('mood')");
        answerAll();
        assertThat(back.asked()).isEqualTo(2);
        assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: AS IT WAS AS IT WAS");
        assertThat(ticket(2, "mood")).isEqualTo("THE MOOD OF: CHANGED SINCE BY NOW!");
        assertThat(ticket(3, "mood")).isEqualTo("THE MOOD OF: NEVER ANSWERED NEVER ANSWERED");
        assertThat(shown("status, pending, failed")).isEqualTo("active|0|0");
        writer.run("update shop.ticket set subject = 'and on' where id = 1");
        answerAll();
        assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: AND ON AS IT WAS");
      }
    }
  }

  @Test
  void chunksThatAreRestoredAreNotMadeAgain() throws SQLException, IOException {
    keeper.run(
        "select llm_maintain('mood', source => 'shop.ticket', into_table => 'shop.ticket_chunk', embed => '{body}',"
            + " chunk => '{\"tokens\": 5}')");
    write(1, "as it was");
    write(2, "changed since");
    embedAll();
    var old = database;
    try (var fresh = TestServer.of(version).newDatabase()) {
      restore(old, fresh);
      try (var back = OtherDatabase.of(this, fresh)) {
        assertThat(shown("status, source, target"))
            .isEqualTo("paused|shop.ticket|shop.ticket_chunk");
        writer.run("update shop.ticket set body = 'by now' where id = 2");
        assertThat(keeper.refused("select llm_maintain_resume('mood')").message())
            .contains("lacks SELECT, INSERT, DELETE on shop.ticket_chunk");
        database.admin().run("grant select, insert, delete on shop.ticket_chunk to keeper");
        keeper.run("select llm_maintain_resume('mood')");
        embedAll();
        assertThat(back.asked()).isEqualTo(1);
        assertThat(database.admin().rows("select id, n, chunk from shop.ticket_chunk order by id"))
            .containsExactly("1|1|as it was", "2|1|by now");
      }
    }
  }

  private void embedAll() {
    answerAll(request ->
        database.chunked(
            request.id(), "keeper", new String[] {prompt(request)}, new float[] {1, 2}));
  }

  @Test
  void aCopyThatIsAdoptedStandsStillUntilItIsResumed() {
    keeper.run(MOOD);
    write(1, "a");
    database.admin().run("select pgoffload.adopt()");
    database.sent();
    write(2, "b");
    step();
    assertThat(database.sent()).isEmpty();
    assertThat(shown("status")).isEqualTo("paused");
    database.admin().value("select ended from pgoffload.end_copied(-1, 1000)");
    keeper.run("select llm_maintain_resume('mood')");
    answerAll();
    assertThat(ticket(1, "mood") + ticket(2, "mood")).isEqualTo("THE MOOD OF: A ATHE MOOD OF: B B");
    assertThat(shown("status, pending, failed")).isEqualTo("active|0|0");
  }

  private static void restore(TestDatabase from, TestDatabase to) throws SQLException, IOException {
    OtherDatabase.makeTable(to);
    to.admin()
        .run(
            "create table shop.ticket_chunk (embedding real[], x int, chunk text, n integer, id bigint, primary key (id, n));"
                + " alter table shop.ticket_chunk drop column x");
    copy(from, to, "shop.ticket (id, subject, body, mood)");
    copy(from, to, "shop.ticket_chunk (id, n, chunk, embedding)");
    for (var table : DUMPED) {
      copy(from, to, table);
    }
    to.admin()
        .run(
            """
            select setval(pg_get_serial_sequence('pgoffload.maintained_column', 'number'), 1000);
            select setval(pg_get_serial_sequence('pgoffload.maintained_due', 'id'), 1000);
            select setval('pgoffload.request_id', 1000000);
            create trigger "pgoffload maintains mood" after insert or update on shop.ticket
              for each row execute function pgoffload.ask_maintained()
            """);
    to.sent();
  }

  private static void copy(TestDatabase from, TestDatabase to, String table)
      throws SQLException, IOException {
    var rows = new ByteArrayOutputStream();
    var query = table.endsWith(")") ? table : "(select * from " + table + ")";
    from.admin()
        .connection()
        .unwrap(PGConnection.class)
        .getCopyAPI()
        .copyOut("copy " + query + " to stdout", rows);
    to.admin()
        .connection()
        .unwrap(PGConnection.class)
        .getCopyAPI()
        .copyIn("copy " + table + " from stdin", new ByteArrayInputStream(rows.toByteArray()));
  }
}
