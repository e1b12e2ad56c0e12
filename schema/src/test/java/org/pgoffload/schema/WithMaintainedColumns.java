package org.pgoffload.schema;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;

/// Gives each test tables of the role `ticket_owner` in the schema `shop`, the session of `keeper`,
/// who may maintain columns of `shop.ticket`, and a worker that runs background SQL.
///
/// - `keeper_lead` is a member of `keeper`
/// - `outsider` may use models and background SQL, and knows nothing of the shop
@SuppressWarnings("NullAway.Init") // set before each test
abstract class WithMaintainedColumns extends OnPostgresVersions {
  private static final String ROLES = "ticket_owner, keeper, keeper_lead, outsider";

  /// What the column of most tests is declared with.
  static final String MOOD =
      "select llm_maintain('mood', source => 'shop.ticket', target => 'mood',"
          + " ask => 'The mood of: {subject} {body}')";

  Session keeper;

  /// Set by a test that has changed nothing: the next one need not make the tables anew.
  boolean isUntouched;

  @Override
  @BeforeParameterizedClassInvocation
  public void create() {
    super.create();
    for (var role : ROLES.split(", ", -1)) {
      database.admin().run("create role " + role);
    }
    database
        .admin()
        .run(
            """
            alter role keeper login;
            alter role outsider login;
            grant llm_user, pgbackground_role to keeper, outsider;
            grant keeper to keeper_lead
            """);
  }

  @Override
  @AfterParameterizedClassInvocation
  public void drop() {
    super.drop();
    try (var admin = Session.open(TestServer.of(version).admin("postgres"))) {
      admin.run("drop role " + ROLES);
    }
  }

  @BeforeEach
  void begin() {
    if (!isUntouched) {
      makeTables();
    }
    isUntouched = false;
    closedAfterTheTest(database.sqlWorker("w")).renewLease();
    keeper = as("keeper");
  }

  void makeTables() {
    database
        .admin()
        .run(
            """
            set client_min_messages = error;
            drop schema if exists shop cascade;
            reset client_min_messages;
            truncate pgoffload.maintained_column, pgoffload.maintained_state, pgoffload.maintained_row,
              pgoffload.maintained_due, pgoffload.maintained_answer, pgoffload.maintained_count, pgoffload.maintained_unseen, pgoffload.maintained_sweep;
            create schema shop authorization ticket_owner;
            set role ticket_owner;
            create domain shop.given as text not null;
            create domain shop.percent as integer check (value between 0 and 100);
            create type shop.feeling as enum ('good', 'bad');
            create table shop.ticket (
              id bigint primary key, subject text, body text, mood text, size numeric(6, 2), at timestamptz, "A ""b""\" text,
              "x}" text, share shop.percent, feeling shop.feeling, tags text[], angry boolean, facts jsonb, plain json,
              embedding real[], place point, upper_body text generated always as (upper(body)) stored,
              upper_mood text generated always as (upper(mood)) stored, must text not null default '', given shop.given default '',
              serial integer generated always as identity);
            create table shop.ticket_chunk (
              id bigint, n integer, chunk text not null, embedding real[], primary key (id, n),
              foreign key (id) references shop.ticket on delete cascade on update cascade);
            create table shop.event (kind text, day date, body text, gist text, primary key (day, kind)) partition by range (day);
            create table shop.event_2026 partition of shop.event for values from ('2026-01-01') to ('2027-01-01');
            create table shop.event_2027 partition of shop.event for values from ('2027-01-01') to ('2028-01-01')
              partition by list (kind);
            create table shop.event_2027_a partition of shop.event_2027 for values in ('a');
            reset role;
            grant usage on schema shop to keeper, outsider;
            grant select, update, trigger on shop.ticket, shop.event, shop.event_2026, shop.event_2027, shop.event_2027_a to keeper;
            grant select, insert, delete, trigger on shop.ticket_chunk to keeper
            """);
  }

  /// A session that the role has logged in to.
  Session as(String role) {
    var session = closedAfterTheTest(Session.open(database.address()));
    session.run("set session authorization " + role);
    session.run("set statement_timeout = '20 s'");
    return session;
  }
}
