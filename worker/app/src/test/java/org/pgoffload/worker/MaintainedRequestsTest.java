package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.MaintainedRow;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.Usage;

/// What a worker does with requests that are made for maintained columns.
class MaintainedRequestsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  @BeforeEach
  void newTopics() {
    installation.newTopics(1);
  }

  @Test
  void answersThemAndSaysTheirRows() throws Exception {
    var provider = new FakeProvider();
    long answered = ask("'1'", "", ", 'prompt': 'why?'");
    long blank = ask("'2', 'a'", ", 'end': {'code': 'blank'}", "");
    long refused =
        ask("'3'", ", 'end': {'code': 'request_too_large', 'message': 'shorten it'}", "");
    try (var _ = start(provider)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 3);
    }

    assertThat(installation.results())
        .allSatisfy(result -> assertThat(result.maintained()).isNotNull());
    assertThat(installation.resultOf(answered).maintained()).isEqualTo(row("1"));
    assertThat(installation.resultOf(answered).status()).isEqualTo(Result.SUCCEEDED);
    assertThat(installation.resultOf(blank).maintained()).isEqualTo(row("2", "a"));
    assertThat(installation.resultOf(blank).status()).isEqualTo(Result.SUCCEEDED);
    assertThat(installation.resultOf(refused).maintained()).isEqualTo(row("3"));
    assertThat(installation.resultOf(refused).errorMessage()).isEqualTo("shorten it");
    assertThat(provider.calls()).isOne();
    installation.writeBack();
    assertThat(
            installation.query(
                """
                select string_agg(concat_ws(' ', id, status, error_code, answer is null), ', ' order by id)
                from pgoffload.llm_result where id >= %d
                """
                    .formatted(answered)))
        .isEqualTo(
            "%d succeeded f, %d succeeded t, %d failed request_too_large t"
                .formatted(answered, blank, refused));
  }

  @Test
  void saysTheRowOfWhatIsCancelledBeforeItComes() throws Exception {
    installation.execute(COLUMN);
    var id = installation.query("select nextval('pgoffload.request_id') + 1000000");
    installation.execute(
        """
        insert into llm_request (id, prompt, immediate) values (%1$s, 'queued', true);
        update llm_request set maintained_key = '{7,de}',
          maintained = (select number from pgoffload.maintained_column where name = 'mood')
        where id = %1$s
        """
            .formatted(id));
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      installation.cancel(Long.parseLong(id));
      await().atMost(PATIENCE).until(() -> !installation.answeredIds().isEmpty());
    }
    assertThat(installation.results())
        .singleElement()
        .satisfies(result -> {
          assertThat(result.status()).isEqualTo(Result.CANCELLED);
          assertThat(result.maintained()).isEqualTo(row("7", "de"));
        });
    assertThat(provider.calls()).isZero();
  }

  @Test
  void embedsTheChunksOfAText() throws Exception {
    long id =
        installation.askAtOnce(
            "embed",
            """
            {"inputs": ["One. Two.\\n\\nThree."],
             "maintained": {"name": "mood", "key": ["1"], "chunk": {"tokens": 5, "overlap": 0}}}\
            """);
    try (var _ = start(new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 1);
    }
    assertThat(installation.resultOf(id).maintained()).isEqualTo(row("1"));
    installation.writeBack();
    assertThat(
            installation.query(
                "select embeddings, answer from pgoffload.llm_result where id = " + id))
        .isEqualTo("{{9,0.5},{6,0.5}}|[\"One. Two.\", \"Three.\"]");
  }

  @Test
  void takesAnEarlierAnswerWithItsChunks() throws Exception {
    var payload =
        """
        {"inputs": ["Four. Five.\\n\\nSix."], "options": {"cache": "1 h"},
         "maintained": {"name": "mood", "key": ["1"], "chunk": {"tokens": 5, "overlap": 0}}}\
        """;
    try (var _ = start(new FakeProvider())) {
      long first = installation.askAtOnce("embed", payload);
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(first));
      installation.writeBack();
      long second = installation.askAtOnce("embed", payload);
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(second));
      var result = installation.resultOf(second);
      assertThat(result.cachedFrom()).isEqualTo(first);
      assertThat(result.answer()).isNull();
      var vectors = Objects.requireNonNull(result.vectors());
      assertThat(vectors)
          .usingRecursiveComparison()
          .isEqualTo(installation.resultOf(first).vectors());
      assertThat(vectors.chunks()).containsExactly("Four. Five.", "Six.");
    }
  }

  @Test
  void endsWhatANewerRequestOfItsRowHasOvertaken() throws Exception {
    installation.execute(COLUMN.replace("'mood'", "'hot'"));
    long older = installation.newId();
    long newer = installation.newId();
    var provider = new FakeProvider();
    for (long id : List.of(older, newer)) {
      installation.execute(
          """
          insert into llm_request (id, prompt, immediate) values (%1$d, 'hot', true);
          update llm_request set maintained_key = '{7}', maintained_row = '%2$s',
            maintained = (select number from pgoffload.maintained_column where name = 'hot')
          where id = %1$d
          """
              .formatted(id, new UUID(0, 7)));
      var mark = "{\"maintained\": {\"name\": \"hot\", \"key\": [\"7\"]}, ";
      installation.send(
          installation.envelope(id, "hot").replace("\"payload\": {", "\"payload\": " + mark));
    }
    try (var _ = start(provider)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 2);
    }
    assertThat(installation.resultOf(older).status()).isEqualTo(Result.CANCELLED);
    assertThat(installation.resultOf(older).errorCode()).isEqualTo("superseded");
    assertThat(installation.resultOf(older).maintained())
        .isEqualTo(new MaintainedRow("hot", List.of("7")));
    assertThat(installation.resultOf(newer).answer()).isEqualTo("hot");
    assertThat(provider.calls()).isOne();
  }

  @Test
  void moreChunksThanTheTopicTakesFailClearly() throws Exception {
    var random = new Random(1);
    var provider =
        new FakeProvider() {
          @Override
          public LlmOutcome embed(EmbedCall call) {
            return new LlmOutcome.Embedded(
                call.inputs().stream().map(_ -> vector(random)).toList(),
                new Origin("fake", "fake-embed", null),
                Usage.NONE,
                List.of());
          }
        };
    long id =
        installation.askAtOnce(
            "embed",
            """
            {"inputs": ["%s"],
             "maintained": {"name": "mood", "key": ["1"], "chunk": {"tokens": 4}}}\
            """
                .formatted("Some word. ".repeat(1_000)));
    try (var _ = start(provider)) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == 1);
    }
    var result = installation.resultOf(id);
    assertThat(result.status()).isEqualTo(Result.FAILED);
    assertThat(result.errorCode()).isEqualTo("answer_too_large");
    assertThat(result.errorMessage()).startsWith("the embeddings of 1000 chunks are larger");
    assertThat(result.maintained()).isEqualTo(row("1"));
  }

  private static final String COLUMN =
      """
      insert into pgoffload.maintained_column (
        name, source, declarer, login, key_columns, key_numbers, input_columns, input_numbers, literals,
        target, target_number, target_type, kind, configuration, settings, installation)
      values ('mood', 'pg_class', 'postgres', 'postgres', '{a,b}', '{1,2}', '{c}', '{3}', '{"",""}',
        'd', 4, 'text', 'ask', '', '{}', gen_random_uuid())
      """;

  private static float[] vector(Random random) {
    var vector = new float[1_536];
    for (int i = 0; i < vector.length; i++) {
      vector[i] = random.nextFloat();
    }
    return vector;
  }

  private static MaintainedRow row(String... key) {
    return new MaintainedRow("mood", List.of(key));
  }

  private static long ask(String key, String mark, String rest) throws Exception {
    var payload = "{'maintained': {'name': 'mood', 'key': [" + key + "]" + mark + "}" + rest + "}";
    return installation.askAtOnce("ask", payload.replace('\'', '"'));
  }

  private static WorkerApp start(FakeProvider provider) {
    return WorkerApp.start(
        installation.configuration("w"), LlmProviders.of(provider), Telemetry.none());
  }
}
