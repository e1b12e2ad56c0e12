package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.testkit.http.WireReply;

/// The example of docs/ai-functions.md, run as it stands there.
class AiFunctionsTest extends OnSharedInstallation {
  @Test
  void theExampleOfTheDocumentRuns() throws SQLException, IOException {
    var document = Files.readString(Path.of("../../docs/ai-functions.md"));
    var example = document.substring(document.indexOf("```sql") + 6);
    var statements =
        Stream.of(example.substring(0, example.indexOf("```")).split(";\n"))
            .map(String::strip)
            .toList();
    assertThat(statements).hasSize(8);
    // the role app owns no schema
    execute(app, statements.get(0).replace("create table", "create temp table"));
    execute(app, statements.get(1));
    assertThat(query(app, statements.get(2))).containsExactly("t");
    assertThat(query(app, statements.get(3))).containsExactly("bug");
    assertThat(query(app, statements.get(4)))
        .containsExactly("{\"due\": \"2027-05-01\", \"amount\": 1}");
    assertThat(query(app, statements.get(5))).containsExactly("1");
    assertThat(query(app, statements.get(6)))
        .containsExactly(
            "stub answer to: [\"The app crashes when I log in\",\"Thank you, all is well\"]");
    assertThat(query(app, "select id from (" + statements.get(7).replace(";", "") + ") m"))
        .containsExactly("1");
    var ranking = document.substring(document.indexOf("select d.body, r.score"));
    assertThat(query(app, ranking.substring(0, ranking.indexOf(";"))))
        .containsExactly("The app crashes when I log in", "Thank you, all is well");
  }

  @Test
  void ranksByTheConfiguredReranker() throws SQLException {
    var documents =
        "array['bread', null, 'why the sky is blue', 'the sky over Prague', 'sea', 'sky', 'blue']";
    var rank =
        "select concat_ws('|', ord, score) from llm_rank('why is the sky blue', "
            + documents
            + ", %s)";
    assertThat(query(app, rank.formatted("3"))).containsExactly("3|1", "4|0.4", "6|0.2");
    // a limit of three documents in a call, and usage by search units
    assertThat(shared.reranker().questions())
        .filteredOn(question -> question.query().equals("why is the sky blue"))
        .extracting(question -> question.documents().size())
        .containsExactly(3, 3);
    assertThat(
            query(
                app,
                "select concat_ws('|', r.provider, r.model, sum(input_tokens), count(*)) from pgoffload.llm_result r"
                    + " join llm_request q using (id) where q.prompt = 'why is the sky blue' and q.immediate group by r.provider, r.model"))
        .containsExactly("reranker|rerank-1|2|2");
    // by scores
    assertThat(query(app, rank.formatted("1, provider => 'openai'"))).containsExactly("1|1");
    assertRaises("22023", "temperature", rank.formatted("1, options => '{\"temperature\": 1}'"));
    shared
        .reranker()
        .next(
            new WireReply.Full(401, Map.of(), "{\"message\": \"invalid api token\"}"),
            new WireReply.Silence());
    assertRaises(
        "LM001", "failed: authentication_failed: reranker: answered HTTP 401", rank.formatted("1"));
  }

  @Test
  void ranksInTheBackground() throws SQLException {
    var id =
        insert(
            "llm_request (kind, prompt, inputs, options) values"
                + " ('rerank', 'red or blue', array['green', 'red'], '{\"top_n\": 1}')");
    assertThat(waitFor(id)).isEqualTo("succeeded");
    assertThat(query(app, "select llm_result(" + id + ")"))
        .containsExactly("[{\"ord\": 2, \"score\": 0.3333333333333333}]");
    assertThat(query(app, "select distinct reranker from llm_worker where alive"))
        .containsExactly("rerank-1");
    var tooMany =
        insert(
            "llm_request (kind, prompt, inputs) values ('rerank', 'q', array['1', '2', '3', '4'])");
    assertThat(waitFor(tooMany)).isEqualTo("failed");
    assertThat(query(app, "select error_code from llm_response(" + tooMany + ")"))
        .containsExactly("request_too_large");
  }
}
