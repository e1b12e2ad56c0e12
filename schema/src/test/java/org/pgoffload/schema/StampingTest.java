package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Identity;

/// Nobody can ask in another's name, nor send what the database did not stamp.
final class StampingTest extends OnPostgresVersions {
  private static final String EMIT =
      "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null, null, null, null, null)";

  private Session mallory;

  @BeforeEach
  void logIn() {
    mallory = closedAfterTheTest(database.open("mallory"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "id, 1",
        "requested_by, 'app'",
        "requested_by_oid, 'app'::regrole",
        "created_at, now()",
        "created_xid, '3'::xid8",
        "immediate, true"
      })
  void refusesAStampedColumn(String columnAndValue) {
    var parts = columnAndValue.split(", ", 2);
    assertThat(
            mallory
                .refused(
                    "insert into llm_request (prompt, "
                        + parts[0]
                        + ") values ('p', "
                        + parts[1]
                        + ")")
                .state())
        .isEqualTo("42501");
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "update llm_request set prompt = 'q'",
        "delete from llm_request",
        "truncate llm_request",
        "insert into pgoffload.llm_result select * from pgoffload.llm_result",
        "update pgoffload.worker set provider = 'p'",
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) values (1, 1, 'w', 1, 1)",
        "select setval('pgoffload.request_id', 1)",
        "alter table llm_request disable trigger all",
        "copy llm_request (prompt, requested_by) from stdin"
      })
  void letsNobodyRewriteHistory(String statement) {
    assertThat(mallory.refused(statement).state()).isEqualTo("42501");
  }

  @Test
  void stampsTheRoleThatWasSetAndTheOneThatLoggedIn() {
    try (var lead = database.open("lead")) {
      lead.run("set role app");
      lead.run("select llm_submit('p')");
      var expected = new Identity("app", database.oid("app"), "lead", database.oid("lead"), "app");
      assertThat(database.onlySent().envelope().requestedBy()).isEqualTo(expected);
      lead.run(EMIT);
      assertThat(database.onlySent().envelope().requestedBy()).isEqualTo(expected);
    }
  }

  @Test
  void stampsTheOwnerOfASecurityDefinerFunction() {
    mallory.run(
        """
        create function public.on_behalf() returns void language plpgsql security definer as $$
        begin
          perform public.llm_submit('p');
          perform pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null, null, null, null, null);
        end
        $$
        """);
    try (var app = database.open("app")) {
      app.run("select public.on_behalf()");
    }
    assertThat(database.sent())
        .hasSize(2)
        .allSatisfy(request ->
            assertThat(request.envelope().requestedBy())
                .isEqualTo(
                    new Identity(
                        "mallory", database.oid("mallory"), "app", database.oid("app"), "none")));
    mallory.run("drop function public.on_behalf()");
  }

  /// Everything that the stamping and signing code uses by a bare name, first in the path.
  private static final String EVIL =
      """
      create function evil.sha256(bytea) returns bytea language sql as $$select '\\x00'::bytea$$;
      create function evil.encode(bytea, text) returns text language sql as $$select 'evil'$$;
      create function evil.convert_to(text, name) returns bytea language sql as $$select '\\x00'::bytea$$;
      create function evil.nextval(regclass) returns bigint language sql as $$select 1::bigint$$;
      create function evil.llm_submit(text) returns bigint language sql as $$select -1::bigint$$;
      create function evil.cat(bytea, bytea) returns bytea language sql as $$select '\\x00'::bytea$$;
      create operator evil.|| (leftarg = bytea, rightarg = bytea, function = evil.cat);
      create function evil.same(text, text) returns boolean language sql as $$select true$$;
      create operator evil.= (leftarg = text, rightarg = text, function = evil.same);
      create function evil.same(xid8, xid8) returns boolean language sql as $$select true$$;
      create operator evil.= (leftarg = xid8, rightarg = xid8, function = evil.same);
      create domain evil."interval" as pg_catalog.int4;
      create table evil.llm_request (id bigint, prompt pg_catalog.text);
      create table evil.signing_key (key_id integer, key bytea);
      create table evil.installation (id pg_catalog.text);
      """;

  @Test
  void isNotFooledByWhatStandsFirstInTheSearchPath() {
    database.grantCreate("mallory");
    mallory.run(EvilSchema.of("app") + EVIL);
    for (var path :
        new String[] {"evil, pg_catalog, public", "evil, pg_temp, public, pg_catalog"}) {
      mallory.run("set search_path = " + path);
      checkThatMalloryIsStampedAsHerself();
    }
    mallory.run("reset search_path");
    mallory.run("drop schema evil cascade");
  }

  @Test
  void isNotFooledByTemporaryObjects() {
    mallory.run("create temp table llm_request (id bigint, prompt text)");
    mallory.run("create temp table llm_result (id bigint, status text, answer text)");
    mallory.run("create temp table signing_key (key_id integer, key bytea)");
    mallory.run("create temp table setting (name text, value text)");
    mallory.run("create temp table pg_database (oid oid, datname name)");
    mallory.run("create domain pg_temp.\"interval\" as int4");
    mallory.run(
        "create function pg_temp.quote_ident(text) returns text language sql as $$select 'app'$$");
    mallory.run("set search_path = pg_temp, pg_catalog, public");
    checkThatMalloryIsStampedAsHerself();
  }

  private void checkThatMalloryIsStampedAsHerself() {
    var herself =
        new Identity(
            "mallory", database.oid("mallory"), "mallory", database.oid("mallory"), "none");
    mallory.run("insert into public.llm_request (prompt) values ('p'::pg_catalog.text)");
    mallory.run("select public.llm_submit('p'::pg_catalog.text)");
    var emitted =
        CompletableFuture.supplyAsync(
            () -> mallory.value("select public.llm_ask('p'::pg_catalog.text)"));
    // the sent ones' signatures are verified here
    var sent = new ArrayList<SentRequest>();
    Awaitility.await()
        .until(() -> {
          sent.addAll(database.sent());
          return sent.size() == 3;
        });
    database.record(database.answered(sent.getLast().id(), "mallory", "a"));
    assertThat(emitted.join()).isEqualTo("a");
    assertThat(sent)
        .allSatisfy(request -> assertThat(request.envelope().requestedBy()).isEqualTo(herself));
    assertThat(mallory.rows("select distinct requested_by from public.llm_request"))
        .containsExactly("mallory");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "select pgoffload.send_llm_request(null)",
        "select pgoffload.send_stamped_llm_request(q) from llm_request q",
        "select pgoffload.send_stamped_prompts(q) from llm_request q",
        "select pgoffload.stamp_llm_request(null, 'ask', 'p', null, null, null, null, null, null, null, null, null, null)",
        "select pgoffload.check_llm_request(null)",
        "select pgoffload.next_request_id()",
        "select pgoffload.new_signing_key()",
        "select * from pgoffload.signing_keys()",
        "select * from pgoffload.signing_key",
        "select * from pgoffload.installation",
        "select pgoffload.adopt()",
        "select pgoffload.is_copy()",
        "select pgoffload.register_worker('w', 'p', 'm', 'v')",
        "select pgoffload.renew_lease('w', 1, 0, '{}')",
        "select pgoffload.release_lease('w', 1)",
        "select pgoffload.claim_llm('w', 1, '{}', '{}', '{}')",
        "select written from pgoffload.write_back('{}', '{}', '{}', '{}', '{}', false)",
        "select pgoffload.record_usage('{}')",
        "select pgoffload.cancel_llm('w', 1, '{1}'::bigint[], '{1}'::oid[])",
        "select pgoffload.remember_cancellations('{1}', '{1}')",
        "select pgoffload.record_cancellations('{1}', '{1}')",
        "select pgoffload.answered_llm('{1}')",
        "select pgoffload.sessions_gone('{1}', '{now}')",
        "select pgoffload.still_claimed('w', 1, '{1}', '{1}')",
        "select pgoffload.may_be_taken_over('w', 1, 'w', 2)",
        "select pgoffload.is_signed('', 1, '')",
        "select pgoffload.replay_request('', 1, '')",
        "select * from pgoffload.replay",
        "select pgoffload.consult_cache('w', 1, 1, '', '1 h')",
        "select pgoffload.live_workers()",
        "select pgoffload.require_lease('w', 1)",
        "select pgoffload.hold_lease('w', 1)",
        "select pgoffload.judges('w', 1)",
        "select pgoffload.remove_dead_leases()",
        "select pgoffload.task_goes_on(1, 1, 'w', 1)",
        "select pgoffload.stalled_claims()",
        "select pgoffload.end_stalled_claims()",
        "select pgoffload.used_up_budgets('{}')",
        "select * from pgoffload.llm_cache",
        "select * from pgoffload.llm_usage_hour",
        "select * from pgoffload.budget",
        "insert into pgoffload.budget (role, period, max_tokens) values ('app', 'day', 0)",
        "insert into pgoffload.llm_price (provider, model, input_per_million) values ('p', 'm', 0)",
        "insert into pgoffload.llm_piece (id, seq, attempt, requested_by_oid, text) values (1, 1, 1, 1, 't')",
        "update pgoffload.setting set value = '1'"
      })
  void keepsItsPartsFromThoseWhoAsk(String statement) {
    assertThat(mallory.refused(statement).state()).isEqualTo("42501");
  }

  @Test
  void letsNobodyBuildAnAggregateOrATriggerOfItsParts() {
    // the state of the aggregate is a row of ours, and its type is nobody's to use
    for (var part :
        List.of(
            """
            create function public.evil_stamp(public.llm_request, text) returns public.llm_request
            language sql as $$select $1$$
            """,
            """
            create aggregate public.evil_emit(text) (
              sfunc = pgoffload.stamp_llm_request, stype = public.llm_request,
              finalfunc = pgoffload.send_stamped_llm_request)
            """)) {
      assertThat(mallory.refused(part).state()).isIn("42501", "42883");
    }
    // with a function of a superuser's, it is the final function that is refused
    database
        .admin()
        .run(
            "create function public.evil_stamp(public.llm_request, text) returns public.llm_request language sql as $$select $1$$");
    database.admin().run("grant usage on type public.llm_request to mallory");
    try {
      assertThat(
              mallory
                  .refused(
                      """
                      create aggregate public.evil_emit(text) (
                        sfunc = public.evil_stamp, stype = public.llm_request,
                        finalfunc = pgoffload.send_stamped_llm_request)
                      """)
                  .state())
          .isEqualTo("42501");
    } finally {
      database.admin().run("revoke usage on type public.llm_request from mallory");
      database.admin().run("drop function public.evil_stamp");
    }
    mallory.run("create table public.evil_request (like public.llm_request)");
    assertThat(
            mallory
                .refused(
                    """
                    create trigger evil after insert on public.evil_request
                    for each row execute function pgoffload.send_inserted_llm_request()
                    """)
                .state())
        .isEqualTo("42501");
    mallory.run("drop table public.evil_request");
  }

  @Test
  void sendsAForgedMessageOnlyWithASignatureThatDoesNotVerify() {
    mallory.run(
        "select pg_logical_emit_message(true, 'pgoffload.request', '1:"
            + "0".repeat(64)
            + "' || E'\\n{}')");
    var keys = database.signingKeys();
    try {
      database.sent();
    } catch (AssertionError e) {
      assertThat(keys.knows(1)).isTrue();
      return;
    }
    throw new AssertionError("a forged message was taken for a signed one");
  }
}
