package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.TokenCounts;

/// Who has used how much, what it costs, and what happens when a budget is used up.
final class LlmUsageTest extends OnPostgresVersions {
  private static final String TOTALS =
      "select requests, failed, cached, calls, failed_calls, input_tokens, cached_tokens,"
          + " output_tokens, reasoning_tokens from llm_usage";

  private Session app;

  @BeforeEach
  void clear() {
    app = closedAfterTheTest(database.open("app"));
    database
        .admin()
        .run(
            """
            update pgoffload.setting set value = '1 hour' where name = 'worker_dead_after';
            delete from pgoffload.llm_usage_minute;
            delete from pgoffload.llm_usage_hour;
            delete from pgoffload.llm_price;
            delete from pgoffload.budget
            """);
  }

  @Test
  void showsUsageByRoleProviderModelAndMinute() {
    app.run("set timezone = 'UTC'");
    used("2026-01-02T03:04:00Z", "app", "openai", "m", 3, 100);
    used("2026-01-02T03:05:00Z", "app", "openai", "m", 1, 10);
    used("2026-01-02T03:05:00Z", "mallory", "openai", "m", 7, 70);
    assertThat(
            app.rows(
                "select role, provider, model, minute, requests, input_tokens from llm_usage order by minute"))
        .containsExactly(
            "app|openai|m|2026-01-02 03:04:00+00|3|100",
            "app|openai|m|2026-01-02 03:05:00+00|1|10");
    try (var lead = database.open("lead")) {
      assertThat(lead.number("select sum(requests) from llm_usage")).isEqualTo(4);
    }
    assertThat(database.admin().number("select sum(requests) from llm_usage")).isEqualTo(11);
  }

  @Test
  void tellsARoleFromAnotherThatHasTakenItsName() {
    database.admin().run("create role va in role llm_user");
    used("2026-01-02T03:04:00Z", "va", "openai", "m", 3, 100);
    var old = database.oid("va");
    database.admin().run("alter role va rename to old_va; create role va in role llm_user");
    used("2026-01-02T03:04:00Z", "va", "openai", "m", 1, 10);
    var usage = "select role, role_oid, requests from llm_usage order by requests";
    assertThat(database.admin().rows(usage))
        .containsExactly("va|" + database.oid("va") + "|1", "old_va|" + old + "|3");
    database.admin().run("drop role old_va");
    assertThat(database.admin().rows(usage)).contains("va|" + old + "|3");
    database.admin().run("drop role va");
  }

  @Test
  void neverShrinks() {
    record(total(3, 1, 1, 4, 2, 100, 10, 50, 5));
    record(total(2, 1, 0, 3, 1, 90, 9, 40, 4));
    assertThat(app.rows(TOTALS)).containsExactly("3|1|1|4|2|100|10|50|5");
    // several of one minute in one batch, in any order; what is unknown counts as nothing
    record(
        total(6, 1, 1, 7, 2, 130, 10, 50, 5),
        total(5, 2, 1, 6, 2, 120, 10, 50, 5),
        "{\"version\": 1, \"minute\": \"2026-01-02T03:04:00Z\", \"requested_by\": \"app\", \"requested_by_oid\": %d, \"requests\": 1}"
            .formatted(database.oid("app")));
    assertThat(app.rows(TOTALS + " where provider is not null"))
        .containsExactly("6|2|1|7|2|130|10|50|5");
    assertThat(app.rows(TOTALS + " where provider is null and model is null"))
        .containsExactly("1|0|0|0|0|0|0|0|0");
    assertThat(
            database
                .admin()
                .rows(
                    "select input_tokens, cached_tokens, output_tokens from pgoffload.llm_usage_hour where provider <> ''"))
        .containsExactly("130|10|50");
  }

  @Test
  void costsByTheLongestBeginningOfTheModelsNameThatIsValid() {
    price("openai", "gpt", "1", "0.5", "10", "-infinity");
    price("openai", "gpt", "2", null, "20", "2026-01-02 04:00+00");
    price("openai", "gpt-mini", "0.1", "0.01", "1", "2026-01-02 03:00+00");
    price("other", "gpt-mini-x", "99", null, "99", "-infinity");
    record(
        total("2026-01-02T02:59:00Z", "openai", "gpt-mini-x", 1_000_000, 400_000, 100_000),
        total("2026-01-02T03:00:00Z", "openai", "gpt-mini-x", 1_000_000, 400_000, 100_000),
        total("2026-01-02T03:59:00Z", "openai", "gpt-4", 1_000_000, 400_000, 100_000),
        total("2026-01-02T04:00:00Z", "openai", "gpt-4", 1_000_000, 400_000, 100_000),
        total("2026-01-02T04:01:00Z", "openai", "o1", 1_000_000, 0, 0),
        total("2026-01-02T04:02:00Z", "azure_openai", "gpt-4", 1_000_000, 0, 0));
    assertThat(app.rows("select trim_scale(cost), currency from llm_usage order by minute"))
        .containsExactly("1.8|USD", "0.164|USD", "1.8|USD", "4|USD", "null|null", "null|null");
  }

  @Test
  void tellsWhatTheCallsOfARequestCost() {
    price("openai", "gpt", "1", "0.5", "10", "-infinity");
    price("anthropic", "claude", "3", null, "15", "-infinity");
    var priced = database.inserted("app");
    var unpriced = database.inserted("app");
    var free = database.inserted("app");
    var untold = database.inserted("app");
    database.record(
        called(
            priced,
            call("openai", "gpt-4", 1000, 200, 100),
            call("anthropic", "claude-x", 10, 0, 20)),
        called(unpriced, call("openai", "gpt-4", 1000, 200, 100), call("other", "x", 1, 0, 0)),
        called(free, call("other", "x", 0, 0, 0)),
        // 12 input tokens, 3 of them cached, 5 output tokens
        database.answered(untold, "app", "a"));
    price("echo", "", "1", "0", "1", "-infinity");
    assertThat(
            app.rows(
                "select trim_scale(r.cost), jsonb_array_length(r.calls), r.calls -> 0 ->> 'model'"
                    + " from unnest(?::bigint[]) with ordinality u (id, n), lateral llm_response(u.id) r order by n",
                (Object) new Long[] {priced, unpriced, free, untold}))
        .containsExactly("0.00223|2|gpt-4", "null|2|gpt-4", "0|1|x", "0.000014|null|null");
  }

  @Test
  void tellsWhatAbsurdCountsCost() {
    price("openai", "", "1000000", "0", "1000000", "-infinity");
    var huge = database.inserted("app");
    var moreCachedThanAll = database.inserted("app");
    database.record(
        called(huge, call("openai", "m", Long.MAX_VALUE, 0, Long.MAX_VALUE)),
        called(moreCachedThanAll, call("openai", "m", 1, 1_000_000_000, 7)));

    assertThat(
            app.rows(
                "select trim_scale(r.cost) from unnest(?::bigint[]) with ordinality u (id, n),"
                    + " lateral llm_response(u.id) r order by n",
                (Object) new Long[] {huge, moreCachedThanAll}))
        .containsExactly("18446744073709551614", "7");
  }

  @Test
  void neitherLosesAnAbsurdCountNorHidesItFromABudget() {
    budget("app", "day", "max_tokens", "9223372036854775807");
    // of two minutes of one hour
    var minutes =
        database
            .admin()
            .rows(
                "select to_json(date_trunc('hour', now()) + n * interval '1 minute') #>> '{}'"
                    + " from generate_series(0, 1) n");
    record(
        total(minutes.getFirst(), "openai", "m", Long.MAX_VALUE, 0, Long.MAX_VALUE),
        total(minutes.getLast(), "openai", "m", Long.MAX_VALUE, 0, Long.MAX_VALUE));

    assertThat(app.rows(TOTALS)).hasSize(2);
    try (var worker = database.worker("w")) {
      assertThat(worker.detail(asked("app")))
          .contains("the budget of role app of 9223372036854775807 tokens a day is used up");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "insert into pgoffload.llm_price (provider, model, input_per_million) values ('p', 'm', -1)",
        "insert into pgoffload.llm_price (provider, model, input_per_million, valid_from) values ('p', 'm', 1, '2026-01-01 00:30+00')",
        "insert into pgoffload.budget (role, period, max_tokens) values ('app', 'week', 1)",
        "insert into pgoffload.budget (role, period) values ('app', 'day')",
        "insert into pgoffload.budget (role, period, max_cost) values ('app', 'day', -1)"
      })
  void refusesWhatIsNoPriceAndNoBudget(String insert) {
    assertThat(database.admin().refused(insert).state()).isEqualTo("23514");
  }

  @Test
  void refusesABudgetOfNobody() {
    assertThat(
            database
                .admin()
                .refused(
                    "insert into pgoffload.budget (role, period, max_tokens) values ('ghost', 'day', 1)")
                .state())
        .isEqualTo("42704");
  }

  @Test
  void endsNewRequestsOfARoleThatHasUsedUpItsTokens() {
    budget("app", "day", "max_tokens", "150");
    usedNow("app", "openai", "m", 100, 49);
    try (var worker = database.worker("w")) {
      assertThat(worker.claim(asked("app"))).containsExactly("claimed|1");
      usedNow("app", "openai", "m", 100, 50);
      var request = asked("app");
      assertThat(worker.detail(request))
          .matches(
              "the budget of role app of 150 tokens a day is used up: 150 tokens since \\d{4}-\\d\\d-\\d\\d 00:00 UTC; it begins anew at \\d{4}-\\d\\d-\\d\\d 00:00 UTC");
      assertThat(worker.claim(request)).containsExactly("own|1");
      // those of others go on, a member's too
      assertThat(worker.claim(asked("mallory"), asked("lead"), asked("app")))
          .containsExactly("claimed|1", "claimed|1", "over_budget|1");
      database.admin().run("delete from pgoffload.budget");
      assertThat(worker.claim(asked("app"))).containsExactly("claimed|1");
    }
  }

  @Test
  void endsNewRequestsOfARoleThatHasUsedUpItsMoney() {
    budget("app", "hour", "max_cost", "0.5");
    usedNow("app", "openai", "gpt-4", 1_000_000, 100_000);
    try (var worker = database.worker("w")) {
      // what has no price, or one in another currency, costs nothing
      assertThat(worker.claim(asked("app"))).containsExactly("claimed|1");
      price("openai", "gpt", "1", null, "1", "-infinity");
      database.admin().run("update pgoffload.llm_price set currency = 'EUR'");
      assertThat(worker.claim(asked("app"))).containsExactly("claimed|1");
      database.admin().run("update pgoffload.llm_price set currency = 'USD'");
      assertThat(worker.detail(asked("app")))
          .startsWith("the budget of role app of 0.5 USD a hour is used up: 1.1 USD since ");
    }
  }

  @Test
  void saysTheLongestOfSeveralBudgetsThatAreUsedUp() {
    for (var period : new String[] {"month", "hour", "day"}) {
      budget("app", period, "max_tokens", "0");
    }
    try (var worker = database.worker("w")) {
      assertThat(worker.detail(asked("app"))).contains("0 tokens a month");
    }
  }

  @Test
  void countsNothingOfThePeriodBefore() {
    budget("app", "month", "max_tokens", "10");
    used("2026-01-02T03:04:00Z", "app", "openai", "m", 1, 1000);
    try (var worker = database.worker("w")) {
      assertThat(worker.claim(asked("app"))).containsExactly("claimed|1");
    }
  }

  @Test
  void prefersTheCancellationOfWhatIsOverBudgetToo() {
    budget("app", "day", "max_tokens", "0");
    var request = asked("app");
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.cancel(request.id(), database.oid("app"));
      first.releaseLease();
      assertThat(second.claim(request)).containsExactly("cancelled|2");
    }
  }

  /// A request that was sent and not claimed.
  private SentRequest asked(String role) {
    database.sent();
    database.inserted(role);
    return database.onlySent();
  }

  private void budget(String role, String period, String limit, String value) {
    database
        .admin()
        .run(
            "insert into pgoffload.budget (role, period, %s) values ('%s', '%s', %s)"
                .formatted(limit, role, period, value));
  }

  private void price(
      String provider,
      String model,
      String input,
      @Nullable String cached,
      String output,
      String from) {
    database
        .admin()
        .run(
            """
            insert into pgoffload.llm_price (provider, model, input_per_million, cached_input_per_million,
              output_per_million, valid_from)
            values (?, ?, ?::numeric, ?::numeric, ?::numeric, ?::timestamptz)
            """,
            provider,
            model,
            input,
            cached,
            output,
            from);
  }

  /// An answer after these calls.
  private Result called(long id, Call... calls) {
    return database.called(id, "app", "a", calls);
  }

  private static Call call(String provider, String model, long input, long cached, long output) {
    return new Call(
        provider,
        model,
        "2026-01-02T03:04:05Z",
        1.5,
        new Call.Reply(null, null, 200, null, null),
        new TokenCounts(input, cached, output, 0));
  }

  private void record(String... totals) {
    database.record(List.of(), List.of(totals));
  }

  private void used(
      String minute, String role, String provider, String model, int requests, long input) {
    record(total(minute, role, provider, model, requests, 0, 0, requests, 0, input, 0, 0, 0));
  }

  private void usedNow(String role, String provider, String model, long input, long output) {
    var minute =
        String.valueOf(
            database.admin().value("select to_json(date_trunc('minute', now())) #>> '{}'"));
    record(total(minute, role, provider, model, 1, 0, 0, 1, 0, input, 0, output, 0));
  }

  private String total(
      String minute, String provider, String model, long input, long cached, long output) {
    return total(minute, "app", provider, model, 1, 0, 0, 1, 0, input, cached, output, 0);
  }

  private String total(long... counts) {
    return total("2026-01-02T03:04:00Z", "app", "openai", "m", counts);
  }

  private String total(String minute, String role, String provider, String model, long... counts) {
    return """
    {"version": 1, "minute": "%s", "requested_by": "%s", "requested_by_oid": %d, "provider": "%s", "model": "%s",
     "requests": %d, "failed": %d, "cached": %d, "calls": %d, "failed_calls": %d, "input_tokens": %d,
     "cached_tokens": %d, "output_tokens": %d, "reasoning_tokens": %d}
    """
        .formatted(
            minute,
            role,
            database.oid(role),
            provider,
            model,
            counts[0],
            counts[1],
            counts[2],
            counts[3],
            counts[4],
            counts[5],
            counts[6],
            counts[7],
            counts[8]);
  }
}
