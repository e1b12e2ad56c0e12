package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.DatabaseAddress;

/// Rows, and declarations, that come from another database by logical replication.
final class MaintainedSubscriberTest extends WithMaintainedRows {
  private static final String COUNTS = "pending, done, failed, stale, status";
  private static final String TRIGGER = "trigger \"pgoffload maintains mood\"";

  /// What of a maintained column belongs into a publication.
  private static final String DECLARATIONS =
      "pgoffload.maintained_column, pgoffload.maintained_state, pgoffload.maintained_row";

  /// The publisher has the rows, and knows no maintained columns; it does not publish the target.
  @Test
  void rowsThatASubscriptionAppliesAreAskedAboutWhereTheTriggerIsToFireForThem() {
    keeper.run(MOOD);
    var server = TestServer.of(version);
    var address = server.newEmptyDatabase();
    try (var publisher = Session.open(address)) {
      publisher.run(
          """
          create schema shop;
          create table shop.ticket (id bigint primary key, subject text, body text, mood text, size numeric);
          insert into shop.ticket values (1, 's', 'copied');
          create publication tickets for table shop.ticket (id, subject, body, size)
          """);
      try (var _ = new Subscription(publisher, address, database.admin(), "tickets")) {
        awaitTickets("1|copied");
        publisher.run("insert into shop.ticket values (2, 's', 'second')");
        awaitTickets("1|copied", "2|second");
        answerAll();
        assertThat(moods()).containsExactly("1|null", "2|null");
        assertThat(shown(COUNTS)).isEqualTo("0|0|0|0|active");
        keeper.run("select llm_maintain_backfill('mood')");
        answerAll();
        assertThat(moods()).containsExactly("1|THE MOOD OF: S COPIED", "2|THE MOOD OF: S SECOND");

        database.admin().run("alter table shop.ticket enable always " + TRIGGER);
        publisher.run(
            "update shop.ticket set body = 'first' where id = 1; update shop.ticket set size = 3 where id = 2");
        publisher.run("begin; update shop.ticket set body = 'never'");
        publisher.run("rollback");
        publisher.run("insert into shop.ticket values (3, 's', 'third')");
        awaitTickets("1|first", "2|second", "3|third");
        write(4, "here");
        answerAll();
        assertThat(moods())
            .containsExactly(
                "1|THE MOOD OF: S FIRST",
                "2|THE MOOD OF: S SECOND",
                "3|THE MOOD OF: S THIRD",
                "4|THE MOOD OF: HERE HERE");
        assertThat(shown(COUNTS)).isEqualTo("0|5|0|0|active");

        database.admin().run("alter table shop.ticket enable replica " + TRIGGER);
        write(5, "nobody asks");
        publisher.run("update shop.ticket set body = 'last' where id = 3");
        awaitTickets("1|first", "2|second", "3|last", "4|here", "5|nobody asks");
        assertThat(shown("status")).isEqualTo("active");
        // which leaves it as it is
        keeper.run("select llm_maintain_resume('mood')");
        assertThat(
                database
                    .admin()
                    .value("select tgenabled from pg_trigger where tgname ~ '^pgoffload maint'"))
            .isEqualTo("R");
        answerAll();
        assertThat(ticket(3, "mood") + ticket(5, "mood")).isEqualTo("THE MOOD OF: S LASTnull");
        assertThat(shown(COUNTS)).isEqualTo("0|6|0|0|active");
      }
    }
    server.drop(address);
  }

  @Test
  void whatKeepsARowFromBeingAskedAboutDoesNotStopTheSubscription() {
    keeper.run(MOOD);
    database.admin().run("alter table shop.ticket enable always " + TRIGGER);
    var server = TestServer.of(version);
    var address = server.newEmptyDatabase();
    try (var publisher = Session.open(address)) {
      publisher.run(
          """
          create schema shop;
          create table shop.ticket (id bigint primary key, subject text, body text);
          create publication tickets for table shop.ticket
          """);
      try (var _ = new Subscription(publisher, address, database.admin(), "tickets")) {
        database.admin().run("revoke update on shop.ticket from keeper");
        publisher.run("insert into shop.ticket values (1, 's', 'first')");
        awaitTickets("1|first");
        step();
        assertThat(asked()).isEmpty();
        assertThat(shown("status")).isEqualTo("blocked");
        database.admin().run("grant update on shop.ticket to keeper");
        answerAll();
        assertThat(moods()).containsExactly("1|THE MOOD OF: S FIRST");
      }
    }
    server.drop(address);
  }

  @Test
  void declarationsThatAreSubscribedToStandStillUntilTheyAreResumed() {
    keeper.run(MOOD);
    write(1, "as it was");
    write(2, "to be changed");
    answerAll();
    write(3, "never answered");
    database
        .admin()
        .run(
            "create publication whole for table shop.ticket (id, subject, body, mood), "
                + DECLARATIONS);
    var published = database;
    try (var subscribing = TestServer.of(version).newDatabase()) {
      OtherDatabase.makeTable(subscribing);
      try (var back = OtherDatabase.of(this, subscribing)) {
        try (var _ =
            new Subscription(
                published.admin(), published.address(), subscribing.admin(), "whole")) {
          awaitTickets("1|as it was", "2|to be changed", "3|never answered");
          await()
              .atMost(Duration.ofSeconds(30))
              .until(() ->
                  subscribing.admin().number("select count(*) from pgoffload.maintained_row") == 2
                      && keeper.rows("select from llm_maintained").size() == 1);
          assertThat(shown("status, source, target")).isEqualTo("paused|shop.ticket|mood");
          assertThat(shown("paused"))
              .contains("another installation")
              .contains("llm_maintain_resume");
          published.admin().run("update shop.ticket set body = 'changed' where id = 2");
          awaitTickets("1|as it was", "2|changed", "3|never answered");
          step();
          assertThat(database.sent()).isEmpty();
        }
        // the subscriber takes over
        write(4, "written here");
        step();
        assertThat(database.sent()).isEmpty();

        database.admin().run("revoke update on shop.ticket from keeper");
        assertThat(keeper.refused("select llm_maintain_resume('mood')").state()).isEqualTo("42501");
        assertThat(shown("status")).isEqualTo("paused");
        database.admin().run("grant update on shop.ticket to keeper");
        keeper.run("select llm_maintain_resume('mood')");
        answerAll();
        assertThat(back.asked()).isEqualTo(3);
        assertThat(moods())
            .containsExactly(
                "1|THE MOOD OF: AS IT WAS AS IT WAS",
                "2|THE MOOD OF: TO BE CHANGED CHANGED",
                "3|THE MOOD OF: NEVER ANSWERED NEVER ANSWERED",
                "4|THE MOOD OF: WRITTEN HERE WRITTEN HERE");
        assertThat(shown("status, pending, failed")).isEqualTo("active|0|0");
        writer.run("update shop.ticket set body = 'and on' where id = 1");
        answerAll();
        assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: AS IT WAS AND ON");

        // the sequence of their numbers has not come along
        database
            .admin()
            .run(
                """
                select setval('pgoffload.maintained_column_number_seq', c.number, false) from pgoffload.maintained_column c;
                alter table shop.ticket add column tone text
                """);
        keeper.run(
            "select llm_maintain('tone', source => 'shop.ticket', target => 'tone', ask => '{body}')");
        write(5, "b");
        answerAll();
        assertThat(ticket(5, "tone")).isEqualTo("B");
      }
    } finally {
      published.admin().run("drop publication whole");
    }
  }

  /// A publication of all tables makes an UPDATE or DELETE of a row without an identity an error.
  @Test
  void aPublicationOfAllTablesHoldsNothingUp() {
    database.admin().run("create publication everything for all tables");
    try {
      writer.run("begin isolation level repeatable read; select count(*) from shop.ticket");
      keeper.run(MOOD);
      // which does not see what was declared
      write(1, "a");
      writer.run("commit");
      database
          .admin()
          .run(
              """
              insert into pgoffload.maintained_count (number)
              select c.number from pgoffload.maintained_column c, generate_series(1, 201)
              """);
      answerAll();
      assertThat(ticket(1, "mood")).isEqualTo("THE MOOD OF: A A");
      assertThat(shown("pending, done, failed")).isEqualTo("0|1|0");
      keeper.run("select llm_maintain_pause('mood')");
      write(2, "b");
      keeper.run("select llm_maintain_resume('mood')");
      answerAll();
      assertThat(database.admin().number("select count(*) from pgoffload.maintained_count"))
          .isLessThan(150);
      keeper.run("select llm_maintain_drop('mood')");
    } finally {
      database.admin().run("drop publication everything");
    }
  }

  private List<String> moods() {
    return database.admin().rows("select id, mood from shop.ticket order by id");
  }

  private void awaitTickets(String... tickets) {
    await()
        .atMost(Duration.ofSeconds(30))
        .untilAsserted(() ->
            assertThat(database.admin().rows("select id, body from shop.ticket order by id"))
                .containsExactly(tickets));
  }

  /// A subscription between two databases of one server, whose slot has to be made apart.
  private record Subscription(
      Session publisher, DatabaseAddress from, Session subscriber, String publication)
      implements AutoCloseable {
    Subscription {
      publisher.run("select pg_create_logical_replication_slot(?, 'pgoutput')", publication);
      subscriber.run(
          """
          create subscription %s connection 'host=localhost port=%d user=postgres password=postgres dbname=%s'
          publication %1$s with (create_slot = false, synchronous_commit = 'on')
          """
              .formatted(publication, from.port(), from.database()));
    }

    @Override
    public void close() {
      subscriber.run(
          "alter subscription %s disable; alter subscription %1$s set (slot_name = none)"
              .formatted(publication));
      subscriber.run("drop subscription " + publication);
      await()
          .ignoreExceptions()
          .untilAsserted(() -> publisher.run("select pg_drop_replication_slot(?)", publication));
    }
  }
}
