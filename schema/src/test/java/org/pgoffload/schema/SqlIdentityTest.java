package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A task runs as who launched it, and as nobody else.
final class SqlIdentityTest extends OnPostgresVersions {
  private static final String WHO = "select current_user::text as a, session_user::text as b";

  private Session mallory;
  private PlayedSqlWorker worker;

  @BeforeEach
  void logIn() {
    mallory = closedAfterTheTest(database.open("mallory"));
    worker = closedAfterTheTest(database.sqlWorker("w"));
  }

  /// The current and the session's user of the only task that was launched.
  private String whoRan(Session reader) {
    var request = database.onlySent();
    worker.run(request);
    return reader.rows("select * from sql_rows(?) as (a text, b text)", request.id()).getFirst();
  }

  @Test
  void runsAsTheRoleThatLoggedIn() {
    mallory.run("select pg_background_launch('" + WHO + "')");
    assertThat(whoRan(mallory)).isEqualTo("mallory|mallory");
    mallory.run("insert into sql_request (command) values ('" + WHO + "')");
    assertThat(whoRan(mallory)).isEqualTo("mallory|mallory");
  }

  @Test
  void runsAsTheRoleThatWasSetByTheOneThatLoggedIn() {
    try (var chief = database.open("chief")) {
      chief.run("set role ann");
      chief.run("select pg_background_launch('" + WHO + "')");
      assertThat(whoRan(chief)).isEqualTo("ann|chief");
      chief.run("insert into sql_request (command) values ('" + WHO + "')");
      assertThat(whoRan(chief)).isEqualTo("ann|chief");
      chief.run("begin; set local role ann");
      chief.run("select pg_background_launch('" + WHO + "')");
      chief.run("rollback; reset role");
      assertThat(whoRan(chief)).isEqualTo("ann|chief");
    }
  }

  @Test
  void runsAsTheSessionsAuthorization() {
    database.admin().run("set session authorization ann");
    database.admin().run("select pg_background_launch('" + WHO + "')");
    database.admin().run("reset session authorization");
    assertThat(whoRan(database.admin())).isEqualTo("ann|ann");
  }

  @Test
  void runsAsTheOwnerOfASecurityDefinerFunction() {
    mallory.run(
        "create function public.launch_it() returns integer language sql security definer as $$select public.pg_background_launch('"
            + WHO
            + "')$$");
    mallory.run(
        "create function public.insert_it() returns void language sql security definer as $$insert into public.sql_request (command) values ('"
            + WHO
            + "')$$");
    try (var superuser = Session.open(database.address())) {
      superuser.run("select public.launch_it()");
      assertThat(whoRan(mallory)).isEqualTo("mallory|mallory");
      superuser.run("select public.insert_it()");
      assertThat(whoRan(mallory)).isEqualTo("mallory|mallory");
      // the caller has set the very role: it has not asked for anything all the same
      superuser.run("set role mallory");
      superuser.run("select public.launch_it()");
      assertThat(whoRan(mallory)).isEqualTo("mallory|mallory");
      superuser.run("select public.insert_it()");
      assertThat(whoRan(mallory)).isEqualTo("mallory|mallory");
    } finally {
      mallory.run("drop function public.launch_it(); drop function public.insert_it()");
    }
  }

  @Test
  void runsAsTheOwnerOfAnIndexThatASuperuserAnalyzes() {
    mallory.run(
        """
        create function public.expression(i int) returns int language plpgsql immutable as $$
        begin
          if session_user <> 'mallory' then
            perform public.pg_background_launch('%s');
          end if;
          return i;
        end
        $$;
        create table public.indexed (i int);
        insert into public.indexed values (1), (2);
        create index on public.indexed (public.expression(i));
        """
            .formatted(WHO));
    try {
      database.admin().run("set client_min_messages = error; analyze public.indexed");
      var sent = database.sent();
      assertThat(sent)
          .isNotEmpty()
          .allSatisfy(request -> {
            assertThat(request.envelope().requestedBy().user()).isEqualTo("mallory");
            assertThat(request.envelope().payload().path("login_oid").asLong())
                .isEqualTo(database.oid("mallory"));
          });
      database.admin().run("set role mallory; analyze public.indexed; reset role");
      assertThat(database.sent())
          .allSatisfy(request ->
              assertThat(request.envelope().payload().path("login_oid").asLong())
                  .isEqualTo(database.oid("mallory")));
    } finally {
      mallory.run("drop table public.indexed; drop function public.expression(int)");
    }
  }

  @Test
  void runsWhatATriggerLaunchesAsWhoSetsItOff() {
    mallory.run(
        """
        create table public.watched (i int);
        grant insert on public.watched to ann;
        create function public.on_insert() returns trigger language plpgsql as $$
        begin
          perform public.pg_background_launch('%s');
          return null;
        end
        $$;
        create trigger t after insert on public.watched for each row execute function public.on_insert()
        """
            .formatted(WHO));
    try (var ann = database.open("ann")) {
      ann.run("insert into public.watched values (1)");
      assertThat(whoRan(ann)).isEqualTo("ann|ann");
    } finally {
      mallory.run("drop table public.watched; drop function public.on_insert()");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "superuser | role \"odd\" has SUPERUSER, so no worker may log in as it | privileged_sql_roles",
        "createrole | role \"odd\" has CREATEROLE, so no worker may log in as it | privileged_sql_roles",
        "replication | role \"odd\" has REPLICATION, so no worker may log in as it | privileged_sql_roles",
        "nologin | role \"odd\" is not permitted to log in, so no worker can run SQL as it | alter role odd login",
        "noinherit | does not inherit the rights of pgbackground_role | alter role odd inherit"
      })
  void refusesALoginThatIsNotToBe(String attribute, String message, String hint) {
    database.admin().run("create role odd login password 'odd' in role pgbackground_role");
    try (var odd = database.open("odd")) {
      var id = odd.number("insert into sql_request (command) values ('select 1') returning id");
      var request = database.onlySent();
      database.admin().run("alter role odd " + attribute);
      if (attribute.equals("noinherit") && database.isAtLeast(16)) {
        // each membership has an option of its own
        database.admin().run("grant pgbackground_role to odd with inherit false");
      }
      if (!attribute.equals("noinherit")) {
        for (var statement :
            List.of(
                "select pg_background_launch('select 1')",
                "insert into sql_request (command) values ('select 1')")) {
          var error = odd.refused(statement);
          assertThat(error.state()).isEqualTo("42501");
          assertThat(error.message()).contains(message);
          assertThat(error.hint()).contains(hint);
        }
        assertThat(database.sent()).isEmpty();
      }
      // what was launched before is refused when it is claimed
      var ending = worker.claim(request).path("ending");
      assertThat(ending.path("status").asText()).isEqualTo("failed");
      assertThat(ending.path("error").path("message").asText()).contains(message);
      assertThat(ending.path("error").path("sqlstate").asText()).isEqualTo("42501");
      database
          .admin()
          .run("update pgoffload.setting set value = 'x, odd' where name = 'privileged_sql_roles'");
      if (!attribute.startsWith("no")) {
        odd.run("select pg_background_launch('select 1')");
        assertThat(database.sent()).hasSize(1);
      }
      assertThat(id).isPositive();
    } finally {
      database
          .admin()
          .run("update pgoffload.setting set value = '' where name = 'privileged_sql_roles'");
      database.admin().run("drop role odd");
    }
  }

  @Test
  void refusesALoginThatIsAMemberByWayOfAnother() {
    database.admin().run("create role odd login password 'odd' in role ann");
    try (var odd = database.open("odd")) {
      var error = odd.refused("select pg_background_launch('select 1')");
      assertThat(error.state()).isEqualTo("42501");
      assertThat(error.message())
          .isEqualTo(
              "role \"odd\" is not a direct member of pgbackground_role, so no worker may log in as it");
      assertThat(error.hint()).contains("grant_pg_background_privileges('odd')");
      odd.run("set role ann");
      assertThat(odd.refused("select pg_background_launch('select 1')").state()).isEqualTo("42501");
      assertThat(database.sent()).isEmpty();
    } finally {
      database.admin().run("drop role odd");
    }
  }

  @Test
  void refusesAtTheClaimWhatWasRevokedOrDroppedSince() {
    database.admin().run("create role odd login password 'odd' in role pgbackground_role, ann");
    try (var odd = database.open("odd")) {
      odd.run("select pg_background_launch('select 1')");
      odd.run("set role ann; select pg_background_launch('select 2')");
      odd.run("reset role; select pg_background_launch('select 3')");
      odd.run("select pg_background_launch('select 4')");
    }
    var requests = database.sent();
    database.admin().run("revoke pgbackground_role from odd");
    assertThat(error(requests.get(0))).startsWith("42501 role \"odd\" is not a direct member");
    database.admin().run("grant pgbackground_role to odd");
    database.admin().run("revoke ann from odd");
    assertThat(error(requests.get(1)))
        .isEqualTo("42501 role \"odd\" is not a member of the role that the task has to be run as");
    database.admin().run("drop role odd");
    assertThat(error(requests.get(2)))
        .isEqualTo("42704 the role that launched the task does not exist any more");
    database.admin().run("create role odd login password 'odd' in role pgbackground_role");
    assertThat(error(requests.get(3))).startsWith("42704");
    database.admin().run("drop role odd");
  }

  @Test
  void refusesARoleThatMayNotConnect() {
    database.admin().run("create role odd login password 'odd' in role pgbackground_role");
    var here = database.address().database();
    try (var odd = database.open("odd")) {
      odd.run("select pg_background_launch('select 1')");
      var request = database.onlySent();
      database.admin().run("revoke connect on database %s from public".formatted(here));
      var error = odd.refused("select pg_background_launch('select 2')");
      assertThat(error.state()).isEqualTo("42501");
      assertThat(error.hint())
          .isEqualTo("Have an administrator run: grant connect on database " + here + " to odd");
      assertThat(error(request))
          .isEqualTo(
              "42501 role \"odd\" may not connect to database \""
                  + here
                  + "\", so no worker can run SQL as it");
    } finally {
      database.admin().run("grant connect on database %s to public; drop role odd".formatted(here));
    }
  }

  @Test
  void beginsNoTaskOnASessionOfAnotherRoleThatBearsTheName() {
    database.admin().run("create role va login password 'va' in role pgbackground_role");
    try (var va = database.open("va")) {
      va.run("select pg_background_launch('select 1')");
      var request = database.onlySent();
      var claim = worker.claim(request);
      database
          .admin()
          .run(
              """
              alter role va rename to old_va;
              alter role old_va password 'old_va';
              create role va login password 'va' in role pgbackground_role
              """);
      try (var other =
          new PlayedTask(
              database,
              database.open("va"),
              request,
              claim.path("attempt").asInt(),
              claim.path("token").asText())) {
        assertThat(other.refusedToEnter()).isEqualTo("42501");
      }
      // its own session may
      try (var task = PlayedTask.login(database, request, claim)) {
        task.enter();
        assertThat(task.session().value("select session_user")).isEqualTo("old_va");
      }
    } finally {
      database.admin().run("drop role va; drop role old_va");
    }
  }

  @Test
  void becomesTheRoleThatWasSetWhateverItIsCalledNow() {
    database
        .admin()
        .run("create role squad; grant squad to chief; grant pgbackground_role to squad");
    try (var chief = database.open("chief")) {
      chief.run("set role squad; select pg_background_launch('select 1')");
      var request = database.onlySent();
      var claim = worker.claim(request);
      database
          .admin()
          .run("alter role squad rename to old_squad; create role squad; grant squad to chief");
      try (var task = PlayedTask.login(database, request, claim)) {
        task.enter();
        assertThat(task.session().value("select current_user")).isEqualTo("old_squad");
      }
    } finally {
      database.admin().run("drop role squad; drop owned by old_squad; drop role old_squad");
    }
  }

  private String error(SentRequest request) {
    var error = worker.claim(request).path("ending").path("error");
    return error.path("sqlstate").asText() + " " + error.path("message").asText();
  }

  /// Everything that the functions without a pinned search_path might use by a bare name, in a
  /// schema that is searched first.
  private static final String EVIL =
      """
      create function evil.set_config(text, text, boolean) returns text language sql as $$select 'evil'$$;
      create function evil.upper(text) returns text language sql as $$select 'evil'$$;
      create function evil.right(text, integer) returns text language sql as $$select 'evil'$$;
      create function evil.jsonb_each_text(jsonb) returns setof record language sql as $$select 'a'::text, 'b'::text$$;
      create function evil.pg_backend_pid() returns integer language sql as $$select 1$$;
      create function evil.attach(bigint) returns integer language sql as $$select 1$$;
      create function evil.pg_background_launch_v2(text, integer, text) returns public.pg_background_handle language sql as $$select row (1, 1)::public.pg_background_handle$$;
      create function evil.spy(bigint, bigint) returns boolean language plpgsql as $$begin perform evil.seen(current_user::pg_catalog.text); return true; end$$;
      create function evil.spy(integer, integer) returns boolean language plpgsql as $$begin perform evil.seen(current_user::pg_catalog.text); return true; end$$;
      create function evil.spy(bigint, integer) returns boolean language plpgsql as $$begin perform evil.seen(current_user::pg_catalog.text); return true; end$$;
      create function evil.spy(text, text) returns boolean language plpgsql as $$begin perform evil.seen(current_user::pg_catalog.text); return true; end$$;
      create function evil.spy(oid, oid) returns boolean language plpgsql as $$begin perform evil.seen(current_user::pg_catalog.text); return true; end$$;
      create function evil.spy(interval, interval) returns boolean language plpgsql as $$begin perform evil.seen(current_user::pg_catalog.text); return true; end$$;
      create function evil.text_of(jsonb, integer) returns text language sql as $$select 'evil'$$;
      create function evil.text_of(jsonb, text) returns text language sql as $$select 'evil'$$;
      create operator evil.= (leftarg = bigint, rightarg = bigint, function = evil.spy);
      create operator evil.= (leftarg = integer, rightarg = integer, function = evil.spy);
      create operator evil.= (leftarg = bigint, rightarg = integer, function = evil.spy);
      create operator evil.= (leftarg = text, rightarg = text, function = evil.spy);
      create operator evil.= (leftarg = oid, rightarg = oid, function = evil.spy);
      create operator evil.= (leftarg = interval, rightarg = interval, function = evil.spy);
      create operator evil.<> (leftarg = text, rightarg = text, function = evil.spy);
      create operator evil.> (leftarg = bigint, rightarg = integer, function = evil.spy);
      create operator evil.> (leftarg = bigint, rightarg = bigint, function = evil.spy);
      create operator evil.~ (leftarg = text, rightarg = text, function = evil.spy);
      create operator evil.->> (leftarg = jsonb, rightarg = integer, function = evil.text_of);
      create operator evil.->> (leftarg = jsonb, rightarg = text, function = evil.text_of);
      create domain evil.oid as pg_catalog.int4;
      create domain evil.int8 as pg_catalog.int4;
      create domain evil.record as pg_catalog.int4;
      create domain evil.timestamptz as pg_catalog.int4;
      create domain evil."varchar" as pg_catalog.int4;
      create table evil.forwarded_setting (name pg_catalog.text, usual pg_catalog.text);
      create table evil.sql_request (id pg_catalog.int8, command pg_catalog.text);
      create table evil.sql_chunk (id pg_catalog.int8);
      """;

  @Test
  void isNotFooledByWhatStandsFirstInTheSearchPath() {
    database.grantCreate("mallory");
    database
        .admin()
        .run("create table public.spied (who text); grant insert on public.spied to public");
    mallory.run(EvilSchema.of("ann") + EVIL);
    mallory.run(
        """
        create function evil.seen(who pg_catalog.text) returns void language sql as $$insert into public.spied values (who)$$;
        grant usage on schema evil to public
        """);
    try {
      for (var path : List.of("evil, pg_catalog, public", "evil, pg_temp, public, pg_catalog")) {
        mallory.run("set search_path = " + path);
        for (var statement :
            List.of(
                "select public.pg_background_launch('" + WHO + "'::pg_catalog.text)",
                "select public.pg_background_launch_v2('" + WHO + "'::pg_catalog.text)",
                "insert into public.sql_request (command) values ('"
                    + WHO
                    + "'::pg_catalog.text)")) {
          mallory.run(statement);
          var request = database.onlySent();
          assertThat(request.envelope().requestedBy().user()).isEqualTo("mallory");
          assertThat(request.envelope().requestedBy().userOid()).isEqualTo(database.oid("mallory"));
          var payload = request.envelope().payload();
          assertThat(payload.path("login_oid").asLong()).isEqualTo(database.oid("mallory"));
          assertThat(payload.path("settings").path("search_path").asText()).isEqualTo(path);
          // the task's session has the same path, and so has who reads its rows
          try (var task = worker.begin(request)) {
            assertThat(task.session().value("select pg_catalog.current_setting('search_path')"))
                .isEqualTo(path);
            task.complete(
                """
                {"status": "succeeded", "tags": ["SELECT 1"], "row_count": 1, "chunks": 1,
                 "columns": [{"name": "a", "type_oid": 25, "typmod": -1, "type": "text"}]}
                """);
            worker.published(
                org.pgoffload.protocol.SqlRows.of(
                    request.id(), 1, 1, database.oid("mallory"), List.of(List.of("x"))));
          }
          var read = "select * from public.sql_rows(" + request.id() + ") as (a pg_catalog.text)";
          assertThat(mallory.rows(read)).containsExactly("x");
          assertThat(database.admin().rows(read)).containsExactly("x");
          assertThat(database.admin().rows("select public.sql_rows_json(" + request.id() + ")"))
              .containsExactly("{\"a\": \"x\"}");
          // whatever path a reader has, the functions that read use nothing of it
          database.admin().run("set search_path = " + path);
          assertThat(database.admin().rows(read)).containsExactly("x");
          assertThat(database.admin().rows("select public.sql_rows_json(" + request.id() + ")"))
              .containsExactly("{\"a\": \"x\"}");
          assertThat(
                  database
                      .admin()
                      .refused(read.replace("a pg_catalog.text", "a pg_catalog.int4"))
                      .state())
              .isEqualTo("42804");
          database.admin().run("reset search_path");
        }
        mallory.run("select public.pg_background_cancel_all_v2()");
      }
      // her own statements may call her own operators, nobody else does
      assertThat(
              database.admin().rows("select distinct who from public.spied where who <> 'mallory'"))
          .isEmpty();
    } finally {
      mallory.run("reset search_path");
      mallory.run("set client_min_messages = error; drop schema evil cascade");
      database.admin().run("drop table public.spied");
    }
  }

  /// What an ordinary application has: a domain whose check finds its functions by the search_path,
  /// and types that are made of it.
  private void createMails() {
    database
        .admin()
        .run(
            """
            create table public.spied (who text);
            grant insert on public.spied to public;
            create function public.is_email(v text) returns boolean language plpgsql as $$
            begin
              return lower(v) like '%@%';
            end
            $$;
            create domain public.email as text check (public.is_email(value));
            create domain public.work_email as public.email check (public.is_email(value));
            create type public.contact as (name text, mail public.email);
            create domain public.reachable as public.contact check ((value).mail is not null);
            create type public.book as (owner text, contacts public.reachable[], first public.work_email);
            """);
  }

  private void dropMails() {
    database
        .admin()
        .run(
            """
            drop type public.book; drop domain public.reachable; drop type public.contact;
            drop domain public.work_email; drop domain public.email; drop function public.is_email;
            drop table public.spied
            """);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "array['a@b']::public.email[] | public.email[] | {a@b} | [\"a@b\"]",
        "array['a@b']::public.work_email[] | public.work_email[] | {a@b} | [\"a@b\"]",
        "row('Ann', 'a@b')::public.contact | public.contact | (Ann,a@b) | {\"mail\": \"a@b\", \"name\": \"Ann\"}",
        "array[row('Ann', 'a@b')]::public.reachable[] | public.reachable[] | {\"(Ann,a@b)\"} | [{\"mail\": \"a@b\", \"name\": \"Ann\"}]",
        "row('Ann', array[row('Bob', 'b@c')]::public.reachable[], 'a@b')::public.book | public.book"
            + " | (Ann,\"{\"\"(Bob,b@c)\"\"}\",a@b)"
            + " | {\"first\": \"a@b\", \"owner\": \"Ann\", \"contacts\": [{\"mail\": \"b@c\", \"name\": \"Bob\"}]}"
      })
  void appliesNothingOfTheWritersSessionInTheReaders(
      String value, String type, String text, String json) {
    createMails();
    database.grantCreate("mallory");
    mallory.run(
        """
        create schema evil;
        grant usage on schema evil to public;
        create function evil.lower(text) returns text language plpgsql as $$
        begin
          insert into public.spied values (current_user);
          return $1;
        end
        $$;
        set search_path = evil, pg_catalog, public;
        """);
    try {
      var id = mallory.number("select pg_background_launch(?)", "select " + value + " as v");
      worker.runAll();
      for (var reader : List.of(database.admin(), mallory)) {
        assertThat(
                reader.rows(
                    "select v::pg_catalog.text from public.sql_rows(%d) as (v %s)"
                        .formatted(id, type)))
            .containsExactly(text);
      }
      assertThat(mallory.rows("select sql_rows_json(?)", id))
          .containsExactly("{\"v\": " + json + "}");
      assertThat(database.admin().rows("select sql_rows_json(?) ->> 'v'", id))
          .containsExactly(text);
      // as in any other statement, it is the reader's own path that finds lower()
      assertThat(database.admin().rows("select distinct who from public.spied"))
          .containsExactly("mallory");
    } finally {
      mallory.run("reset search_path");
      mallory.run("set client_min_messages = error; drop schema evil cascade");
      dropMails();
    }
  }

  /// It could go back to the login of the one who reads.
  @Test
  void runsNoCodeOfAnotherLoginThatHasSetTheSameRole() {
    createMails();
    try (var chief = database.open("chief")) {
      chief.run("set role ann");
      var id =
          chief.number(
              "select pg_background_launch(?)", "select array['a@b']::public.email[] as v");
      worker.runAll();
      assertThat(chief.rows("select sql_rows_json(?)", id)).containsExactly("{\"v\": [\"a@b\"]}");
      database.admin().run("set role ann");
      assertThat(database.admin().rows("select sql_rows_json(?)", id))
          .containsExactly("{\"v\": \"{a@b}\"}");
    } finally {
      database.admin().run("reset role");
      dropMails();
    }
  }

  @Test
  void readsADomainWhoseCheckFindsItsNamesByTheReadersPath() {
    database
        .admin()
        .run(
            """
            create schema app;
            grant usage on schema app to public;
            create function app.even(i int) returns boolean language sql as 'select i % 2 = 0';
            create function app.checked(i int) returns boolean language plpgsql as $$begin return even(i); end$$;
            create domain app.number as int check (app.checked(value))
            """);
    try {
      mallory.run("set search_path = app, public");
      var id = mallory.number("select pg_background_launch('select array[2]::app.number[] as v')");
      worker.runAll();
      var read = "select v from public.sql_rows(" + id + ") as (v app.number[])";
      assertThat(mallory.rows(read)).containsExactly("{2}");
      assertThat(mallory.rows("select sql_rows_json(?)", id)).containsExactly("{\"v\": [2]}");
      mallory.run("set search_path = public");
      assertThat(mallory.refused(read).state()).isEqualTo("42883");
    } finally {
      database.admin().run("set client_min_messages = error; drop schema app cascade");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"(v text)|42804", "(v evil.pair)|(1)", "(v evil.pair, w text)|42804"})
  void runsNoCastOfTheWritersTypeAsTheReader(String columns, String expected) {
    database.grantCreate("mallory");
    // what is simple and promises to be immutable is run while a statement is planned
    mallory.run(
        """
        create schema evil;
        grant usage on schema evil to public;
        create type evil.pair as (i int);
        create function evil.trap() returns evil.pair language plpgsql immutable as $$
        begin
          raise exception 'trapped' using errcode = 'EVIL1';
        end
        $$;
        create function evil.pair(varchar) returns evil.pair language sql immutable as 'select evil.trap()';
        create function evil.pair(text) returns evil.pair language sql immutable as 'select evil.trap()';
        create function evil.pair(bpchar) returns evil.pair language sql immutable as 'select evil.trap()';
        create cast (varchar as evil.pair) with function evil.pair(varchar);
        create cast (text as evil.pair) with function evil.pair(text);
        create cast (bpchar as evil.pair) with function evil.pair(bpchar)
        """);
    try {
      var id = mallory.number("select pg_background_launch('select row(1)::evil.pair as v')");
      worker.runAll();
      var read = "select v from sql_rows(" + id + ") as " + columns;
      if (expected.startsWith("(")) {
        assertThat(database.admin().rows(read)).containsExactly(expected);
      } else {
        assertThat(database.admin().refused(read).state()).isEqualTo(expected);
      }
      assertThat(database.admin().rows("select sql_rows_json(?)", id))
          .containsExactly("{\"v\": \"(1)\"}");
    } finally {
      mallory.run("set client_min_messages = error; drop schema evil cascade");
    }
  }

  @Test
  void runsNoCodeOfTheWritersTypesAsTheReader() {
    database
        .admin()
        .run("create table public.spied (who text); grant insert on public.spied to public");
    database.grantCreate("mallory");
    mallory.run(
        """
        create schema own;
        grant usage on schema own to public;
        create function own.check(i int) returns boolean language plpgsql as $$
        begin
          insert into public.spied values (current_user);
          return true;
        end
        $$;
        create domain own.checked as int check (own.check(value));
        create type own.pair as (a own.checked, b text)
        """);
    try {
      var id =
          mallory.number(
              "select pg_background_launch('select array[1]::own.checked[] as a, row(1, ''x'')::own.pair as b')");
      worker.runAll();
      database.admin().run("delete from public.spied");
      assertThat(database.admin().rows("select sql_rows_json(" + id + ")"))
          .containsExactly("{\"a\": \"{1}\", \"b\": \"(1,x)\"}");
      assertThat(
              database
                  .admin()
                  .refused("select * from sql_rows(" + id + ") as (a int[], b text)")
                  .state())
          .isEqualTo("42804");
      assertThat(database.admin().rows("select * from public.spied")).isEmpty();
      assertThat(mallory.rows("select sql_rows_json(" + id + ")"))
          .containsExactly("{\"a\": [1], \"b\": {\"a\": 1, \"b\": \"x\"}}");
    } finally {
      mallory.run("set client_min_messages = error; drop schema own cascade");
      database.admin().run("drop table public.spied");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "select pgoffload.send_sql_request(null, null, null, null, null)",
        "select pgoffload.send_stamped_sql_request(q) from sql_request q",
        "select pgoffload.stamp_sql_request(null, 'select 1', 64, null, false)",
        "select pgoffload.stamp_command(null, 'cancel', 1, null, null)",
        "select pgoffload.send_command(q) from sql_request q",
        "select pgoffload.stamp_reader(null, 1)",
        "select pgoffload.read_large_answer_as(q) from sql_request q",
        "select pgoffload.large_answer_mark(1)",
        "select pgoffload.large_object_of(1)",
        "select pgoffload.write_large_answer(1, 1)",
        "select pgoffload.next_child_id(1)",
        "select pgoffload.login_refusal(1, 1)",
        "select pgoffload.check_sql_request(null)",
        "select pgoffload.send_envelope(1, 'sql', null, null, true, null, false, 'ann', 1, '', null)",
        "select pgoffload.record_sql_requests('{}')",
        "select * from pgoffload.claim_sql('w', 1, '{}', '{}')",
        "select * from pgoffload.claim_sql_again('w', 1, 1, 1)",
        "select pgoffload.is_last_attempt(1, 1)",
        "select pgoffload.mark_autocommit(1, 1)",
        "select pgoffload.insert_sql_result(null, '{}', null)",
        "select pgoffload.end_sql(1, 1, '{}')",
        "select pgoffload.sql_result_message(1)",
        "select pgoffload.record_cancellations('{1}', '{1}')",
        "select pgoffload.record_progress(1, 1, 1, null)",
        "select pgoffload.sweep_large_answers()",
        "select token from pgoffload.claim",
        "select * from pgoffload.claim",
        "select * from pgoffload.signer",
        "select * from pgoffload.large_answer",
        "select * from pgoffload.cancellation",
        "select * from pgoffload.sql_session_0",
        "select * from pgoffload.sql_request_0",
        "insert into sql_request (command, login_oid) values ('x', 10)",
        "insert into sql_request (command, requested_by_oid) values ('x', 10)",
        "insert into sql_request (command, queue_size) values ('x', 100)",
        "insert into sql_request (command, settings) values ('x', '{}')",
        "insert into sql_request (command, session) values ('x', 'x')",
        "insert into sql_request (id, command) values (1, 'x')",
        "insert into sql_request (command, immediate) values ('x', true)",
        "insert into sql_request (command, parent) values ('x', 1)",
        "insert into sql_request (command, submitted) values ('x', true)",
        "insert into sql_request (command, large_object) values ('x', 1)",
        "insert into sql_request (command, created_xid) values ('x', '3')",
        "update sql_request set command = 'x'",
        "delete from sql_request",
        "delete from pgoffload.sql_result",
        "insert into pgoffload.sql_session select * from pgoffload.sql_session",
        "select pgoffload.begin_sql_session(1, 1, gen_random_uuid(), now(), 0)",
        "select pgoffload.complete_sql(1, 1, gen_random_uuid(), '{}', null)",
        "select grant_pg_background_privileges('mallory')",
        "select revoke_pg_background_privileges('ann')"
      })
  void keepsItsPartsFromThoseWhoAsk(String statement) {
    assertThat(mallory.refused(statement).state()).isEqualTo("42501");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void gainsNothingByForgedSettings() {
    long foreign;
    try (var ann = database.open("ann")) {
      foreign = ann.number("select pg_background_launch('select 1 as secret')");
      worker.runAll();
    }
    mallory.run(
        """
        select set_config('pgoffload.attached', ',%1$s=%1$s/1/%2$s', false),
               set_config('pgoffload.session', pg_backend_pid() || '.1', false),
               set_config('pgoffload.left', ',%1$s=%1$s/c', false),
               set_config('pgoffload.submitted', ',%1$s,', false),
               set_config('pgoffload.task', '%1$s/1/0', false)
        """
            .formatted(foreign, database.oid("mallory")));
    assertThat(mallory.value("select task from pgoffload.current_task()")).isNull();
    assertThat(
            mallory.rows(
                "select completed, row_count, error_message from pg_background_outcome_v2(%1$s, %1$s)"
                    .formatted(foreign)))
        .containsExactly("f|null|null");
    assertThat(mallory.value("select pg_background_full_sql_v2(%1$s, %1$s)".formatted(foreign)))
        .isNull();
    assertThat(mallory.refused("select pg_background_progress(1)").state()).isEqualTo("0A000");
    assertThat(
            mallory
                .refused("select pgoffload.emit_command('progress', " + foreign + ", 1, 'x')")
                .state())
        .isEqualTo("0A000");
    assertThat(mallory.refused("select pgoffload.emit_command('sql', 1, 1, 'x')").state())
        .isEqualTo("22023");
    mallory.run(
        "set statement_timeout = '300ms'; select set_config('pgoffload.submitted', '', false)");
    assertThat(
            mallory
                .refused("select * from pg_background_result(" + foreign + ") as (a int)")
                .state())
        .isEqualTo("57014");
    // a cancellation is signed with her own name, and not obeyed
    mallory.run("select pg_background_cancel_v2(%1$s, %1$s)".formatted(foreign));
    var command = database.onlySent();
    assertThat(command.envelope().kind()).isEqualTo("cancel");
    assertThat(command.envelope().requestedBy().user()).isEqualTo("mallory");
    assertThat(worker.recordCancellation(foreign, "mallory")).isFalse();
  }
}
