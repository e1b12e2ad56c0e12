package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.testkit.vendors.StubQuestion;
import org.pgoffload.dev.testkit.vendors.VendorStub;

/// Calls as production needs them: OpenAI is asked first, Anthropic is the fallback and can let
/// through 200 questions a second.
class LlmCallsTest extends OnSharedInstallation {
  @Test
  void manyAreInFlightAtOnceInTheirOrderAndOneFailureSpoilsNoOther() throws SQLException {
    assertThat(
            query(
                app,
                "select concat_ws('|', ord, answer, split_part(error, ':', 1))"
                    + " from llm_ask_many(array['one', 'refuse', 'three'])"))
        .containsExactly("1|stub answer to: one", "2|invalid_request", "3|stub answer to: three");
  }

  @Test
  void answersAsJson() throws SQLException {
    var schema =
        "'{\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}},"
            + " \"required\": [\"city\"], \"additionalProperties\": false}'";
    assertThat(query(app, "select llm_ask_json('json please', " + schema + ") ->> 'city'"))
        .containsExactly("Paris");
    assertThatThrownBy(() -> query(app, "select llm_ask_json('prose please', " + schema + ")"))
        .hasMessageContaining("schema_mismatch");
    // once more, with what was wrong
    assertThat(shared.openai().questions())
        .filteredOn(question -> question.turns().getFirst().equals("user: prose please"))
        .extracting(question -> question.turns().size())
        .containsExactly(1, 3);
  }

  @Test
  void asksAboutImagesAsTheReferenceShows() throws Exception {
    var document = Files.readString(Path.of("../../docs/sql.md"));
    var begin = document.indexOf("```sql", document.indexOf("### Images")) + 6;
    var example = document.substring(begin, document.indexOf("```", begin));
    execute(
        app, "create temporary table animal as select 'a picture'::bytea as picture; " + example);

    await()
        .atMost(PATIENCE)
        .untilAsserted(() ->
            assertThat(shared.openai().questions())
                .extracting(StubQuestion::turns)
                .contains(
                    List.of(
                        "user: [https://www.example.com/cat.png]",
                        "user: What is in this picture?"),
                    List.of("user: Which animal is this? [image/png YSBwaWN0dXJl]")));
  }

  @Test
  void embedsForSeveralSessionsInOneCall() throws Exception {
    assertThat(query(app, "select array_length(llm_embed('one text', dimensions => 4), 1)"))
        .containsExactly("4");
    assertThat(
            query(
                app,
                "select ord || ' ' || array_length(embedding, 1)"
                    + " from llm_embed(array['a', 'b', 'c'], dimensions => 3)"))
        .containsExactly("1 3", "2 3", "3 3");

    try (var sessions = Executors.newVirtualThreadPerTaskExecutor()) {
      var running = new ArrayList<Future<List<String>>>();
      for (int i = 0; i < 8; i++) {
        var text = "shared " + i;
        running.add(
            sessions.submit(() -> {
              try (var session = installation.application().connect("test")) {
                return query(session, "select llm_embed('" + text + "', dimensions => 5)::text");
              }
            }));
      }
      for (int i = 0; i < 8; i++) {
        assertThat(running.get(i).get().getFirst())
            .isEqualTo(
                value(app, "select '" + braces(VendorStub.vector("shared " + i, 5)) + "'::real[]"));
      }
    }
    assertThat(shared.openai().questions())
        .filteredOn(question -> question.turns().getFirst().startsWith("input: shared"))
        .hasSizeLessThan(8);
  }

  private static String braces(List<Float> vector) {
    return vector.toString().replace('[', '{').replace(']', '}');
  }

  @Test
  void aProviderWithoutEmbeddingsSaysSo() throws SQLException {
    execute(app, "set llm.provider = 'anthropic'");
    assertThatThrownBy(() -> query(app, "select llm_embed('a text')"))
        .hasMessageContaining("embeddings_not_supported");
  }

  @Test
  void cancelsWhatRunsAndAsksItAgain() throws SQLException {
    var id = value(app, "select llm_submit('silence, please')");
    await()
        .atMost(PATIENCE)
        .until(() -> query(app, "select llm_status(" + id + ")").contains("running"));

    assertThat(query(app, "select llm_cancel(" + id + ")")).containsExactly("t");
    assertThat(
            query(app, "select status from llm_wait(array[" + id + "::bigint], timeout => '10 s')"))
        .containsExactly("cancelled");
    assertThatThrownBy(() -> query(app, "select llm_result(" + id + ")"))
        .hasMessageContaining("cancelled");
    assertThat(query(app, "select llm_cancel(" + id + ")")).containsExactly("f");

    var again = value(app, "select llm_retry(" + id + ")");
    assertThat(query(app, "select retry_of from llm_request where id = " + again))
        .containsExactly(id);
    assertThat(query(app, "select llm_cancel(" + again + ")")).containsExactly("t");
  }

  @Test
  void streamsTheAnswerWhileItIsWritten() throws SQLException {
    var id = value(app, "select llm_submit('a longer story', options => '{\"stream\": true}')");
    query(app, "select status from llm_wait(array[" + id + "::bigint])");
    assertThat(query(app, "select string_agg(text, '' order by seq) from llm_stream(" + id + ")"))
        .containsExactly("stub answer to: a longer story");
    assertThat(query(app, "select answer from llm_response(" + id + ")"))
        .containsExactly("stub answer to: a longer story");
    await()
        .atMost(PATIENCE)
        .until(
            () -> !query(app, "select text from pgoffload.llm_piece where id = " + id).isEmpty());
  }

  @Test
  void theSameQuestionIsAskedOnce() throws SQLException {
    var ask =
        "select llm_ask('asked often', options => '{\"cache\": \"1 h\"}') from generate_series(1, 3)";
    assertThat(query(app, ask)).containsOnly("stub answer to: asked often").hasSize(3);
    assertThat(shared.openai().questions())
        .filteredOn(question -> question.turns().getLast().equals("user: asked often"))
        .hasSize(1);
    assertThat(
            query(
                app,
                "select count(*) filter (where (llm_response(id)).cached)"
                    + " from llm_request where prompt = 'asked often'"))
        .containsExactly("2");
  }

  @Test
  void fallsBackWhenTheFirstIsOutOfQuota() throws SQLException {
    // another model than the others ask, since it is passed over for a minute
    var id = value(app, "select llm_submit('no quota', model => 'gpt-broke')");
    query(app, "select status from llm_wait(array[" + id + "::bigint])");
    assertThat(
            query(
                app,
                "select format('%s %s %s %s', status, provider, calls -> 0 ->> 'error_code',"
                    + " jsonb_array_length(calls)) from llm_response("
                    + id
                    + ")"))
        .containsExactly("succeeded anthropic quota_exhausted 2");
  }

  @Test
  void usageHasItsCostAndABudgetEndsIt() throws SQLException {
    try (var owner = installation.admin().connect("test");
        var other = installation.admin().connect("test")) {
      execute(owner, "create role spender login in role llm_user");
      execute(
          owner,
          "insert into pgoffload.llm_price (provider, model, input_per_million, output_per_million)"
              + " values ('openai', 'model', 1000000, 0), ('openai', 'gpt', 1000000, 0)");
      execute(
          owner,
          "insert into pgoffload.budget (role, period, max_tokens) values ('spender', 'day', 100)");
      execute(other, "set role spender");
      query(other, "select llm_ask('first', model => 'model-1')");
      awaitRows(
          other,
          "select format('%s %s %s', requests, input_tokens, cost::bigint) from llm_usage where role = 'spender'",
          "1 120 120");
      assertThatThrownBy(() -> query(other, "select llm_ask('second')"))
          .hasMessageContaining("budget_exceeded")
          .hasMessageContaining("spender");
      assertThat(shared.openai().questions())
          .noneMatch(question -> question.turns().getLast().equals("user: second"));
      execute(owner, "delete from pgoffload.budget");
    }
  }

  @Test
  void twoThousandAreAnsweredByAVendorThatLetsTwoHundredASecondThrough() throws SQLException {
    var anthropic = shared.anthropic();
    anthropic.limit(200);
    execute(app, "set llm.provider = 'anthropic'");
    execute(
        app,
        "create temporary table flood as select llm_submit('flood ' || i, timeout => '2 min') as id"
            + " from generate_series(1, 2000) i");
    assertThat(
            query(
                app,
                "select status || ' ' || count(*) from llm_wait((select array_agg(id) from flood),"
                    + " timeout => '1 min') group by status"))
        .containsExactly("succeeded 2000");

    // a few in a hundred when nothing else runs; AdaptiveRateLimiterTest shows it without a clock
    var late = anthropic.served(Duration.ofSeconds(3));
    assertThat(late.rejected()).isLessThan(late.calls() / 3);
  }
}
