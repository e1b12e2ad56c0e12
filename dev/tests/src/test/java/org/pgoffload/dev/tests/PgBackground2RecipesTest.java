package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.schema.InstallSchema;
import org.postgresql.PGConnection;

/// What pg_background's cookbook and its guide for the migration to 2.0 teach, each recipe with
/// data of a library, by an ordinary role on an installation that follows 2.x meanwhile.
class PgBackground2RecipesTest extends OnSharedInstallation {
  @BeforeAll
  static void followVersion2(SharedInstallation shared) {
    follow(shared, "2");
  }

  @AfterAll
  static void followVersion1(SharedInstallation shared) {
    follow(shared, "1");
  }

  /// Changes which pg_background the one name with two meanings follows.
  private static void follow(SharedInstallation shared, String version) {
    InstallSchema.run(shared.installation().admin(), InstallSchema.DEFAULT_PUBLIC_SCHEMA, version);
  }

  @BeforeEach
  void openTheLibrary() throws SQLException {
    try (var admin = installation.admin().connect("recipes")) {
      execute(admin, "create schema library authorization " + installation.application().user());
    }
    execute(
        app,
        """
        set search_path = library, public;
        create table book (id int primary key, title text not null, lent boolean not null default false,
          constraint title_is_short check (length(title) < 40));
        insert into book values (1, 'Middlemarch', true), (2, 'Emma', false), (3, 'Persuasion', true);
        create table reader (id int primary key, name text);
        insert into reader values (1, 'Ada'), (2, 'Grace');
        create table diary (at timestamptz not null default now(), what text, about jsonb)
        """);
  }

  @AfterEach
  void closeTheLibrary() throws SQLException {
    execute(app, "select pg_background_cancel_all(), pg_background_detach_all()");
    execute(app, "drop schema library cascade");
  }

  // the short ones

  @Test
  void runsAndSaysWhatBecameOfIt() throws SQLException {
    assertThat(
            query(
                app,
                """
                select concat_ws(' ', pid = cookie & 2147483647, completed, timed_out, has_error, row_count, command_tag,
                  sqlstate, error_message, label, elapsed_ms >= 0)
                from pg_background_run('insert into diary (what) select title from book where lent',
                  queue_size := 0, timeout_ms := 30000, label := 'note-the-lent')
                """))
        .containsExactly("t t f f 2 INSERT 0 2 note-the-lent t");
    assertThat(query(app, "select what from diary order by 1"))
        .containsExactly("Middlemarch", "Persuasion");
    assertThat(
            query(
                app,
                "select concat_ws(' ', completed, has_error, sqlstate, error_message) from pg_background_run('insert into book values (1, ''Emma'')')"))
        .containsExactly("t t 23505 duplicate key value violates unique constraint \"book_pkey\"");
  }

  @Test
  void waitsForATimeAndReadsTheRowsOrTheError() throws SQLException {
    execute(
        app,
        """
        create table shelf (id int, title text);
        create function look_up(command text, patience_ms int) returns void language plpgsql as $$
        declare
          h pg_background_handle;
          o pg_background_outcome;
          finished bool;
        begin
          h := pg_background_launch(command, 65536, 'look-up');
          finished := pg_background_wait(h.pid, h.cookie, patience_ms);
          if not finished then
            perform pg_background_cancel(h.pid, h.cookie, 10000);
            o := pg_background_outcome(h.pid, h.cookie);
            perform pg_background_detach(h.pid, h.cookie);
            raise exception 'not in time: %', o.state;
          end if;
          o := pg_background_outcome(h.pid, h.cookie);
          if o.has_error then
            perform pg_background_detach(h.pid, h.cookie);
            raise exception 'failed: % (%)', o.error_message, o.sqlstate;
          end if;
          insert into shelf select id, title from pg_background_result(h.pid, h.cookie) as r (id int, title text);
          -- also what was read can be detached
          perform pg_background_detach(h.pid, h.cookie);
        end $$
        """);
    execute(app, "select look_up('select id, title from book where not lent', 50000)");
    assertThat(query(app, "select title from shelf")).containsExactly("Emma");
    assertRaises(
        "P0001",
        "failed: relation \"magazine\" does not exist (42P01)",
        "select look_up('select id, title from magazine', 50000)");
    assertRaises("P0001", "not in time: canceled", "select look_up('select pg_sleep(100)', 100)");
  }

  @Test
  void launchesManyAndGathersTheOutcomes() throws SQLException {
    assertThat(
            query(
                app,
                """
                with launched as materialized (
                  select h.* from pg_tables t,
                    lateral pg_background_launch(format('vacuum (analyze) %I', t.tablename), 0, 'tidy-' || t.tablename) h
                  where t.schemaname = 'library'
                ), waited as materialized (
                  select l.pid, l.cookie, pg_background_wait(l.pid, l.cookie, 50000) as finished from launched l
                )
                select concat_ws(' ', o.label, w.finished, o.completed, o.has_error, o.command_tag, o.state)
                from waited w, lateral pg_background_outcome(w.pid, w.cookie) o order by o.label
                """))
        .containsExactly(
            "tidy-book t t f VACUUM stopped",
            "tidy-diary t t f VACUUM stopped",
            "tidy-reader t t f VACUUM stopped");
    assertThat(query(app, "select pg_background_detach_all()")).containsExactly("3");
  }

  @Test
  void drainsAFanOutWithOneDeadline() throws SQLException {
    assertThat(
            query(
                app,
                """
                select concat_ws(' ', pid is not null, completed, has_error, row_count, label)
                from pg_background_drain(
                  array(select pg_background_launch(format('select count(*) from %I', t), 0, 'count-' || t)
                        from unnest(array['reader', 'diary', 'book']) t),
                  50000)
                """))
        .containsExactly("t t f 1 count-reader", "t t f 1 count-diary", "t t f 1 count-book");
    assertThat(query(app, "select pg_background_detach_all()")).containsExactly("0");
  }

  @Test
  void takesTheFirstOfARace() throws SQLException {
    execute(
        app,
        """
        do $$
        declare
          hs pg_background_handle[];
          winner pg_background_handle;
          ended int;
        begin
          hs := array[
            pg_background_launch('select pg_sleep(100); select 1', 0, 'tortoise'),
            pg_background_launch('select 2', 0, 'hare'),
            pg_background_launch('select pg_sleep(100); select 3', 0, 'snail')];
          winner := pg_background_wait_any(hs, 50000);
          assert winner = hs[2], winner::text;
          perform pg_background_cancel_all();
          select count(*) into ended from pg_background_drain(hs, 50000) o where o.completed;
          assert ended = 3, ended;
          assert pg_background_wait_any(array[winner], 100) is null;
        end $$
        """);
  }

  @Test
  void cancelsByLabel() throws SQLException {
    execute(
        app,
        """
        select pg_background_launch('select pg_sleep(100)', 0, 'inventory-' || n) from generate_series(1, 2) n;
        select pg_background_launch('select pg_sleep(100)', 0, 'stocktaking')
        """);
    await()
        .atMost(PATIENCE)
        .until(() -> states("inventory-%").equals(List.of("running", "running")));
    assertThat(query(app, "select pg_background_cancel_by_label('inventory-%', 10000)"))
        .containsExactly("2");
    assertThat(states("inventory-%")).containsExactly("canceled", "canceled");
    assertThat(states("stocktaking")).doesNotContain("canceled");
  }

  // the longer ones

  @Test
  void maintainsInTheBackground() throws SQLException {
    // as psql's \gset would keep it
    var handle =
        value(
            app,
            "select (h).pid || ', ' || (h).cookie from (select pg_background_launch('vacuum (verbose, analyze) book', 0, 'vacuum-book') as h) s");
    // it is listed when a worker has heard of it
    awaitRows(
        app,
        "select sql_preview from pg_background_list where (pid, cookie) = ("
            + handle
            + ") and state in ('starting', 'running', 'stopped') and launched_at <= clock_timestamp()",
        "vacuum (verbose, analyze) book");
    assertThat(query(app, "select pg_background_wait(" + handle + ")")).containsExactly("t");
    assertThat(
            query(
                app,
                "select label || ' ' || pgbg_state from pg_background_activity where (pid, cookie) = ("
                    + handle
                    + ")"))
        .containsExactly("vacuum-book stopped");
    execute(app, "select pg_background_detach(" + handle + ")");
    assertRaises("42704", "is not attached", "select pg_background_detach(" + handle + ")");
  }

  @Test
  void auditsWhatIsRolledBack() throws SQLException {
    execute(
        app,
        """
        create function note(what text, about jsonb) returns void language plpgsql as $$
        declare
          h pg_background_handle;
          pause_ms int := 100;
        begin
          for i in 1 .. 3 loop
            begin
              h := pg_background_submit(format('insert into diary (what, about) values (%L, %L)', what, about::text));
              perform pg_background_detach(h.pid, h.cookie);
              return;
            exception when insufficient_resources then
              if i = 3 then
                insert into diary (what, about) values (what, about);
                raise warning 'noted in this transaction';
                return;
              end if;
              perform pg_sleep(pause_ms / 1000.0);
              pause_ms := pause_ms * 2;
            end;
          end loop;
        end $$
        """);
    execute(
        app,
        """
        begin;
        update book set lent = false where id = 1;
        select note('returned', '{"book": 1}');
        rollback
        """);
    awaitRows(app, "select what || about from diary", "returned{\"book\": 1}");
    assertThat(query(app, "select lent from book where id = 1")).containsExactly("t");
  }

  @Test
  void notifiesWithoutDelayingTheCommit() throws SQLException {
    execute(
        app,
        """
        create function tell(channel text, payload text) returns void language plpgsql as $$
        declare
          h pg_background_handle;
        begin
          h := pg_background_submit(format('select pg_notify(%L, %L)', channel, payload));
          perform pg_background_detach(h.pid, h.cookie);
        end $$
        """);
    try (var listener = installation.application().connect("recipes")) {
      execute(listener, "listen returned_books");
      execute(app, "begin; select tell('returned_books', '{\"book\": 3}'); rollback");
      await()
          .atMost(PATIENCE)
          .until(() -> {
            var heard = listener.unwrap(PGConnection.class).getNotifications(1000);
            return heard.length == 1 && heard[0].getParameter().equals("{\"book\": 3}");
          });
    }
  }

  @Test
  void followsALongLoadInATableOfJobs() throws SQLException {
    execute(
        app,
        """
        create table arrival (id int, title text, taken boolean default false);
        insert into arrival values (7, 'Cranford'), (8, 'Villette');
        """);
    // the task may begin before the transaction of its launch commits
    execute(
        app,
        """
        create table job (name text, pid int, cookie bigint, began timestamptz);
        with launched as materialized (
          select h.* from pg_background_launch('
            insert into book select id, title from arrival where not taken;
            update arrival set taken = true;
          ', 0, 'load-1') h)
        insert into job select 'load-1', pid, cookie, now() from launched
        """);
    var state =
        """
        select w.state from job j
        cross join lateral (select * from pg_background_list where pid = j.pid and cookie = j.cookie) w
        where j.name = 'load-1' and now() - w.launched_at < interval '1 hour'
        """;
    awaitRows(app, state, "stopped");
    assertThat(query(app, "select count(*) from book")).containsExactly("5");
    assertThat(query(app, "select count(*) from arrival where not taken")).containsExactly("0");
    // the load is one transaction of its own, which another session can follow as well
    try (var other = installation.application().connect("recipes")) {
      execute(other, "set search_path = library, public");
      assertThat(query(other, state)).containsExactly("stopped");
    }
  }

  @Test
  void addsUpWhatSeveralCountAtOnce() throws SQLException {
    execute(
        app,
        """
        do $$
        declare
          hs pg_background_handle[];
          total bigint;
        begin
          hs := array[
            pg_background_launch('select count(*) from book', 0, 'books'),
            pg_background_launch('select count(*) from reader', 0, 'readers'),
            pg_background_launch('select count(*) from diary', 0, 'notes')];
          perform pg_background_wait(h.pid, h.cookie) from unnest(hs) h;
          select sum(n) into total from (
            select * from pg_background_result((hs[1]).pid, (hs[1]).cookie) as (n bigint)
            union all
            select * from pg_background_result((hs[2]).pid, (hs[2]).cookie) as (n bigint)
            union all
            select * from pg_background_result((hs[3]).pid, (hs[3]).cookie) as (n bigint)) counted;
          assert total = 5, total;
        end $$
        """);
  }

  @Test
  void enforcesATimeout() throws SQLException {
    execute(
        app,
        """
        create function in_time(command text, patience_ms int) returns text language plpgsql as $$
        declare
          h pg_background_handle;
          answer text;
        begin
          h := pg_background_launch(command);
          if not pg_background_wait(h.pid, h.cookie, patience_ms) then
            perform pg_background_cancel(h.pid, h.cookie, 1000);
            perform pg_background_detach(h.pid, h.cookie);
            return 'too late';
          end if;
          select * into answer from pg_background_result(h.pid, h.cookie) as (answer text);
          return answer;
        end $$
        """);
    assertThat(query(app, "select in_time('select title from book where id = 2', 50000)"))
        .containsExactly("Emma");
    assertThat(query(app, "select in_time('select pg_sleep(100)', 200)"))
        .containsExactly("too late");
    // in one call, which counts it
    assertThat(
            query(
                app,
                "select timed_out from pg_background_run('select pg_sleep(100)', 0, 200, 'slow')"))
        .containsExactly("t");
    assertThat(query(app, "select workers_timed_out from pg_background_stats()"))
        .containsExactly("1");
  }

  @Test
  void runsAQueryToItsRowsInOneCall() throws SQLException {
    assertThat(
            query(
                app,
                "select title from pg_background_run_query('select id, title from book where lent order by id', timeout_ms => 50000, label => 'lent', col_def => 'id int, title text') as r (id int, title text)"))
        .containsExactly("Middlemarch", "Persuasion");
    assertRaises(
        "57014",
        "did not complete within 200 ms",
        "select * from pg_background_run_query('select 1 from pg_sleep(100)', timeout_ms => 200, col_def => 'n int') as r (n int)");
    assertRaises(
        "42P01",
        "magazine",
        "select * from pg_background_run_query('select 1 from magazine', col_def => 'n int') as r (n int)");
  }

  // from 1.x to 2.0

  @Test
  void launchesToAHandleWhereItLaunchedToAPid() throws SQLException {
    var handle =
        value(
            app,
            "select (h).pid || ', ' || (h).cookie from (select pg_background_launch('select 1') as h) s");
    assertThat(query(app, "select x from pg_background_result(" + handle + ") as (x int)"))
        .containsExactly("1");
    assertThat(
            query(
                app,
                "select r.n from pg_background_launch('select 6 * 7') h, lateral pg_background_result(h.pid, h.cookie) as r (n int)"))
        .containsExactly("42");
    // by the name that is deprecated
    assertThat(
            query(
                app,
                "select r.n from pg_background_launch_v2('select 6 * 7') h, lateral pg_background_result_v2(h.pid, h.cookie) as r (n int)"))
        .containsExactly("42");
  }

  @Test
  void cancelsAndWaitsByOneNameWhereItHadTwo() throws SQLException {
    execute(
        app,
        """
        do $$
        declare
          h pg_background_handle := pg_background_launch('select pg_sleep(100)');
          finished bool;
        begin
          finished := pg_background_wait_v2(h.pid, h.cookie, 1);
          assert not finished;
          assert not pg_background_wait(h.pid, h.cookie, 1);
          perform pg_background_cancel_v2(h.pid, h.cookie);
          perform pg_background_cancel(h.pid, h.cookie, 1);
          finished := pg_background_wait_v2(h.pid, h.cookie);
          assert finished;
          assert pg_background_wait(h.pid, h.cookie, 0);
          assert to_jsonb(pg_background_outcome_v2(h.pid, h.cookie)) = to_jsonb(pg_background_outcome(h.pid, h.cookie));
          assert to_jsonb(pg_background_outcome(h.pid, h.cookie)) ->> 'state' = 'canceled';
        end $$
        """);
  }

  @Test
  void reportsProgressByItsNewName() throws SQLException {
    var handle =
        value(
            app,
            "select h.pid || ', ' || h.cookie from pg_background_launch('select pg_background_report_progress(50, ''half of the books''); select pg_sleep(100)') h");
    awaitRows(
        app,
        "select progress_pct || ' ' || progress_msg from pg_background_get_progress("
            + handle
            + ")",
        "50 half of the books");
    execute(app, "select pg_background_cancel(" + handle + ", 10000)");
  }

  @Test
  void grantsByItsNewName() throws SQLException {
    try (var admin = installation.admin().connect("recipes")) {
      execute(admin, "create role librarian");
      try {
        assertThat(query(admin, "select pg_background_grant_privileges('librarian', false)"))
            .containsExactly("t");
        assertThat(query(admin, "select pg_background_revoke_privileges('librarian', false)"))
            .containsExactly("t");
      } finally {
        execute(admin, "drop role librarian");
      }
    }
  }

  @Test
  void selectsWiderRowsIntoVariables() throws SQLException {
    execute(
        app,
        """
        do $$
        declare
          run pg_background_run_result;
          info pg_background_result_info;
          error pg_background_error;
          stats pg_background_stats;
          h pg_background_handle;
        begin
          select * into run from pg_background_run_v2('insert into diary (what) values (''wider'')');
          assert run.cookie is not null and run.state = 'stopped' and not run.timed_out and run.row_count = 1;
          h := pg_background_launch('insert into book values (9, repeat(''x'', 99))');
          perform pg_background_wait(h.pid, h.cookie);
          select * into info from pg_background_result_info(h.pid, h.cookie);
          assert info.has_error and info.started_at <= info.finished_at;
          select * into error from pg_background_error_info(h.pid, h.cookie);
          assert (error.sqlstate, error.schema_name, error.table_name, error.constraint_name)
            = ('23514', 'library', 'book', 'title_is_short');
          select * into stats from pg_background_stats();
          assert stats.workers_completed = 1 and stats.workers_failed = 1 and stats.workers_timed_out = 0;
        end $$
        """);
  }

  @Test
  void portsFireAndForget() throws SQLException {
    var handle =
        value(
            app,
            "select (h).pid || ', ' || (h).cookie from (select pg_background_submit_v2('vacuum reader', 0, 'nightly') as h) s");
    execute(app, "select pg_background_detach_v2(" + handle + ")");
    assertThat(
            query(
                app,
                "select command_tag || label from pg_background_run_v2('vacuum reader', 0, 0, 'nightly')"))
        .containsExactly("VACUUMnightly");
  }

  @Test
  void showsTheSettingsFromTheStartOfASession() throws SQLException {
    assertThat(query(app, "show pg_background.max_workers")).containsExactly("16");
    assertThat(query(app, "show pg_background.default_queue_size")).containsExactly("64kB");
    assertThat(query(app, "show pg_background.worker_timeout")).containsExactly("0");
    assertThat(
            query(
                app,
                "select r.x from pg_background_launch('show pg_background.max_workers') h, lateral pg_background_result(h.pid, h.cookie) as r (x text)"))
        .containsExactly("16");
  }

  private List<String> states(String label) throws SQLException {
    return query(
        app, "select state from pg_background_list where label like '" + label + "' order by pid");
  }
}
