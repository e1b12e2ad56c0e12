package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.models.FakeProvider;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.LlmProviders;

final class WorkerAppTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  @BeforeEach
  void emptyTopics() {
    installation.newTopics(1);
  }

  @Test
  void answersWhatWasAskedAndCommitsIt() throws Exception {
    long id = installation.ask("why?");
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      awaitAnswers(1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    var result = installation.resultOf(id);
    assertThat(result.status()).isEqualTo("succeeded");
    assertThat(result.answer()).isEqualTo("why?");
    assertThat(result.attempts()).isEqualTo(1);
    assertThat(provider.isClosed()).isTrue();
    assertThat(
            installation.read(installation.topics().results()).stream()
                .map(record -> new String(record.key(), StandardCharsets.UTF_8)))
        .containsExactly(Long.toString(id));
  }

  @Test
  void commitsOnlyBelowTheLowestUnfinished() throws Exception {
    var provider = new FakeProvider().hold("slow");
    installation.ask("first");
    installation.ask("slow");
    installation.ask("third");
    try (var _ = start(provider)) {
      awaitAnswers(2);
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      await()
          .during(Duration.ofMillis(400))
          .atMost(PATIENCE)
          .until(() -> installation.committed() == 1);
      provider.release("slow");
      await().atMost(PATIENCE).until(() -> installation.committed() == 3);
    }
  }

  @Test
  void redeliveryAfterARestartMakesNoSecondCall() throws Exception {
    var provider = new FakeProvider().hold("slow");
    long slow = installation.ask("slow");
    long quick = installation.ask("quick");
    try (var _ = start(provider, configuration("a", Duration.ZERO))) {
      awaitAnswers(1);
    }
    installation.writeBack();
    var next = new FakeProvider();
    try (var _ = start(next, configuration("b", Duration.ZERO))) {
      awaitAnswers(2);
      await().atMost(PATIENCE).until(() -> installation.committed() == 2);
    }
    assertThat(next.calls(quick)).isZero();
    assertThat(next.calls(slow)).isEqualTo(1);
    assertThat(installation.answeredIds()).containsExactlyInAnyOrder(slow, quick);
  }

  @Test
  void theSameRequestDeliveredTwiceIsAskedOnceEvenBeforeItsResultIsStored() throws Exception {
    var provider = new FakeProvider();
    long id = installation.newId();
    try (var _ = start(provider)) {
      installation.ask(id, "why?");
      awaitAnswers(1);
      installation.ask(id, "why?");
      await().atMost(PATIENCE).until(() -> installation.committed() == 2);
    }
    assertThat(provider.calls()).isEqualTo(1);
  }

  @Test
  void aClaimWhoseReplyWasLostIsBegunByItsOwnWorker() throws Exception {
    long id = installation.newId();
    var provider = new FakeProvider();
    try (var _ = start(provider, configuration("lost-reply", Duration.ofSeconds(5)))) {
      // what the worker's own claim would have left, had the connection broken after its commit
      installation.execute(
          "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) select "
              + id
              + ", 1, w.name, w.epoch, 10 from pgoffload.worker w where w.name = 'lost-reply'");
      installation.ask(id, "why?");
      awaitAnswers(1);
    }
    assertThat(installation.resultOf(id).attempts()).isEqualTo(1);
    assertThat(provider.calls()).isEqualTo(1);
  }

  @Test
  void neverRunsMoreThanTheWindowAndAnswersEverything() throws Exception {
    var ids = installation.askMany(20);
    var provider = new FakeProvider(FakeProvider::echo, Duration.ofMillis(20));
    try (var _ = start(provider, configuration("narrow", 2, 1 << 20))) {
      awaitAnswers(20);
    }
    assertThat(provider.mostRunning()).isEqualTo(2);
    assertThat(installation.answeredIds()).containsExactlyInAnyOrderElementsOf(ids);
  }

  @Test
  void pausesAtTheWindowsEdgeInBytesAndResumes() throws Exception {
    var provider = new FakeProvider().holdAll();
    try (var _ = start(provider, configuration("heavy", 2000, 1))) {
      var first = installation.ask("first");
      await().atMost(PATIENCE).until(() -> provider.running() == 1);
      var second = installation.ask("second");
      await().during(Duration.ofMillis(400)).atMost(PATIENCE).until(() -> provider.running() == 1);
      provider.releaseAll();
      awaitAnswers(2);
      assertThat(installation.answeredIds()).containsExactly(first, second);
    }
  }

  @Test
  void runsFiveHundredAtOnce() throws Exception {
    installation.askMany(500);
    var provider = new FakeProvider(FakeProvider::echo, Duration.ofMillis(200));
    try (var _ = start(provider)) {
      awaitAnswers(500);
    }
    assertThat(provider.mostRunning()).isGreaterThan(250);
    assertThat(provider.calls()).isEqualTo(500);
  }

  @Test
  void aDrainLetsFinishWhatCanAndLeavesTheRestToTheNextWorker() throws Exception {
    var provider = new FakeProvider().hold("long").hold("short");
    long left = installation.ask("long");
    long finished = installation.ask("short");
    long neverBegun = installation.newId();
    try (var worker = start(provider, configuration("a", 2, 1 << 20, Duration.ofSeconds(1)))) {
      await().atMost(PATIENCE).until(() -> provider.running() == 2);
      installation.ask(neverBegun, "later");
      var closing = Thread.ofVirtual().start(worker::close);
      provider.release("short");
      closing.join();
    }
    assertThat(installation.answeredIds()).containsExactly(finished);
    installation.writeBack();

    var next = new FakeProvider();
    try (var _ = start(next, configuration("b", Duration.ofSeconds(1)))) {
      awaitAnswers(3);
    }
    assertThat(attempts()).isEqualTo(Map.of(left, 2, finished, 1, neverBegun, 1));
    assertThat(installation.results()).extracting(Result::status).containsOnly("succeeded");
    assertThat(next.calls(finished)).isZero();
  }

  @Test
  void anAnswerThatIsThereWhenTheDrainEndsIsPublished() throws Exception {
    var provider =
        new FakeProvider(call -> {
          // answers, although it was interrupted
          Thread.currentThread().interrupt();
          return FakeProvider.echo(call);
        });
    long id = installation.ask("why?");
    try (var _ = start(provider)) {
      awaitAnswers(1);
    }
    assertThat(installation.resultOf(id).status()).isEqualTo("succeeded");
    assertThat(provider.calls()).isEqualTo(1);
  }

  @Test
  void aSecondWorkerJoinsAndNothingIsAskedTwice() throws Exception {
    installation.newTopics(6);
    var first = new FakeProvider(FakeProvider::echo, Duration.ofMillis(10));
    var second = new FakeProvider(FakeProvider::echo, Duration.ofMillis(10));
    try (var _ = start(first, configuration("a", 20, 1 << 20))) {
      var asked = new ArrayList<>(installation.askMany(100));
      try (var _ = start(second, configuration("b", 20, 1 << 20))) {
        await()
            .atMost(PATIENCE)
            .until(() -> {
              asked.addAll(installation.askMany(20));
              return second.calls() > 0;
            });
        awaitAnswers(asked.size());
      }
      assertThat(installation.answeredIds()).containsExactlyInAnyOrderElementsOf(asked);
      assertThat(first.calls() + second.calls()).isEqualTo(asked.size());
      assertThat(second.calls()).isPositive();
    }
  }

  @Test
  void comesBackToWhatAFailOverHasLostAndCallsForNothingTwice() throws Exception {
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      long inserted = installation.ask("inserted");
      long lost = installation.ask("lost");
      long immediate = installation.askAtOnce("ask", "{\"prompt\": \"immediate\"}");
      awaitAnswers(3);
      await().atMost(PATIENCE).until(() -> position("next_offset").equals("3"));
      installation.execute(
          "insert into llm_request (id, prompt, requested_by, requested_by_oid, nonce, created_xid)"
              + " values (%d, 'inserted', 'postgres', 10, '%s', '3')"
                  .formatted(inserted, new UUID(0, inserted)));
      installation.execute(
          "delete from pgoffload.claim where id in (%d, %d, %d)"
              .formatted(inserted, lost, immediate));
      installation.execute("delete from llm_request where id = " + immediate);

      installation.failOver();

      await()
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query(
                      "select string_agg(id::text, ' ' order by id) from pgoffload.claim"
                          + " where id in (%d, %d, %d)".formatted(inserted, lost, immediate))
                  .equals(inserted + " " + immediate));
      await().atMost(PATIENCE).until(() -> position("repeated_below is null").equals("true"));
      // another process, which has published nothing itself
      installation.execute(
          "delete from pgoffload.claim where id in (%d, %d)".formatted(inserted, immediate));
    }
    installation.failOver();
    var next = new FakeProvider();
    try (var _ = start(next)) {
      long after = Long.parseLong(installation.query("select nextval('pgoffload.request_id')"));
      installation.ask(after, "after");
      await().atMost(PATIENCE).until(() -> installation.answeredIds().contains(after));
      await().atMost(PATIENCE).until(() -> position("next_offset").equals("4"));
    }
    assertThat(provider.calls()).isEqualTo(3);
    assertThat(next.calls()).isEqualTo(1);
    assertThat(installation.answeredIds()).hasSize(4).doesNotHaveDuplicates();
  }

  @Test
  void aCallThatRunsAcrossAFailOverStaysItsWorkersAndIsMadeOnce() throws Exception {
    var provider = new FakeProvider().hold("runs").hold("unclaimed");
    var providers = new LlmProviders(provider, List.of(), List.of(), new FakeProvider());
    try (var _ = WorkerApp.start(installation.configuration("w"), providers, Telemetry.none())) {
      long runs = installation.ask("runs");
      long unclaimed = installation.askAtOnce("ask", "{\"prompt\": \"unclaimed\"}");
      await().atMost(PATIENCE).until(() -> provider.running() == 2);
      await().atMost(PATIENCE).until(() -> position("next_offset").equals("0"));
      installation.execute("delete from pgoffload.claim where id = " + unclaimed);
      var before = epochs("released_at is null");

      installation.failOver();

      // of another registration, so that whoever reads their records leaves them to it
      await().atMost(PATIENCE).until(() -> epochs("released_at is not null").contains(before));
      var now = epochs("released_at is null");
      assertThat(epochs("released_at is null and epoch in (select epoch from pgoffload.reranker)"))
          .isEqualTo(now);
      assertThat(
              installation.query(
                  "select string_agg(concat_ws(' ', id, attempt), ', ' order by id)"
                      + " from pgoffload.claim where epoch = "
                      + now))
          .isEqualTo(runs + " 102, " + unclaimed + " 1");
      provider.release("runs");
      provider.release("unclaimed");
      awaitAnswers(2);
      await().atMost(PATIENCE).until(() -> position("repeated_below is null").equals("true"));
    }
    assertThat(provider.calls()).isEqualTo(2);
  }

  @Test
  void readsAPartitionFromItsBeginningWhereKafkaHasLostItsTail() throws Exception {
    installation.ask("worked off");
    try (var _ = start(new FakeProvider())) {
      awaitAnswers(1);
      await().atMost(PATIENCE).until(() -> position("next_offset").equals("1"));
    }
    installation.execute(
        "update pgoffload.consumer_position set next_offset = 1000 where topic = '"
            + installation.topics().llmRequests()
            + "'");
    var before = losses();
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      await().atMost(PATIENCE).until(() -> position("next_offset").equals("1"));
    }
    assertThat(losses()).isEqualTo(before + 1);
    assertThat(provider.calls()).isZero();
  }

  /// @param removed how many of the three records, by retention
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void isBackWhereRetentionHasRemovedWhatItGoesBackTo(int removed) throws Exception {
    installation.askMany(3);
    try (var _ = start(new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> position("next_offset").equals("3"));
    }
    installation.trimRequests(removed);
    installation.failOver();
    try (var _ = start(new FakeProvider())) {
      await()
          .atMost(PATIENCE)
          .until(() -> position("next_offset >= 3 and repeated_below is null").equals("true"));
    }
    assertThat(position("next_offset")).isEqualTo("3");
  }

  private static long losses() {
    return Long.parseLong(
        installation.query(
            "select count(*) from pgoffload.capture_break where reason = 'kafka_lost'"));
  }

  private static String epochs(String which) {
    return installation.query(
        "select string_agg(epoch::text, ' ') from pgoffload.worker where name = 'w' and " + which);
  }

  private String position(String what) throws SQLException {
    return String.valueOf(
        installation.query(
            "select max(("
                + what
                + ")::text) from pgoffload.consumer_position where topic = '"
                + installation.topics().llmRequests()
                + "'"));
  }

  @Test
  void sharesItsGroupWithAWorkerOfAnEarlierVersion() throws Exception {
    installation.newTopics(2);
    // which consumes by Kafka's newer protocol
    Map<String, Object> earlier =
        Map.of(
            "bootstrap.servers",
            Objects.requireNonNull(installation.kafka().get("bootstrap.servers")),
            "group.id",
            installation.topics().workersOf(installation.topics().llmRequests()),
            "group.protocol",
            "consumer",
            "enable.auto.commit",
            false,
            "auto.offset.reset",
            "earliest");
    var provider = new FakeProvider();
    try (var other =
        new KafkaConsumer<>(earlier, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      other.subscribe(List.of(installation.topics().llmRequests()));
      await().atMost(PATIENCE).until(() -> partitionsOf(other) == 2);
      try (var _ = start(provider, configuration("w", 20, 1 << 20))) {
        await().atMost(PATIENCE).until(() -> partitionsOf(other) == 1);
        installation.askMany(20);
        await().atMost(PATIENCE).until(() -> partitionsOf(other) == 1 && provider.calls() > 0);
        other.unsubscribe();
        awaitAnswers(20);
      }
    }
    assertThat(provider.calls()).isEqualTo(20);
  }

  private static int partitionsOf(Consumer<?, ?> consumer) {
    consumer.poll(Duration.ofMillis(10));
    return consumer.assignment().size();
  }

  @Test
  void takesOverFromADeadWorker() throws Exception {
    long id = installation.newId();
    installation.execute("select pgoffload.register_worker('ghost', 'fake', 'fake-1', 'test')");
    installation.execute(
        "select pgoffload.claim_llm('ghost', epoch, array["
            + id
            + "], array[10::oid], array[null])"
            + " from pgoffload.worker where name = 'ghost'");
    installation.ask(id, "why?");
    try (var _ = start(new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().equals(List.of(id)));
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(installation.resultOf(id).attempts()).isEqualTo(2);
  }

  @Test
  void whatALiveWorkerHoldsStaysUnfinishedUntilItIsAnswered() throws Exception {
    long id = installation.newId();
    installation.execute(
        "update pgoffload.setting set value = '1 hour' where name = 'worker_dead_after'");
    try {
      installation.execute("select pgoffload.register_worker('other', 'fake', 'fake-1', 'test')");
      installation.execute(
          "select pgoffload.claim_llm('other', epoch, array["
              + id
              + "], array[10::oid], array[null])"
              + " from pgoffload.worker where name = 'other'");
      installation.ask(id, "why?");
      long next = installation.ask("next");
      var provider = new FakeProvider();
      try (var _ = start(provider)) {
        awaitAnswers(1);
        assertThat(installation.committed()).isZero();
        installation.execute(
            "insert into pgoffload.llm_result (id, kind, status, requested_by_oid, attempts,"
                + " finished_at) values ("
                + id
                + ", 'ask', 'succeeded', 10, 1, now())");
        await().atMost(PATIENCE).until(() -> installation.committed() == 2);
      }
      assertThat(provider.calls(id)).isZero();
      assertThat(installation.answeredIds()).containsExactly(next);
    } finally {
      installation.execute(
          "update pgoffload.setting set value = '1500 ms' where name = 'worker_dead_after'");
    }
  }

  @Test
  void whatIsNotTrustedGoesToTheDeadLettersAndStopsNobody() throws Exception {
    byte[] garbage = {0, 1, (byte) 0xff};
    var forged = installation.envelope(installation.newId(), "evil");
    installation.send("k", garbage, "");
    installation.send("k", forged.getBytes(StandardCharsets.UTF_8), "1:" + "0".repeat(64));
    installation.send("k", forged.getBytes(StandardCharsets.UTF_8), "12345:" + "0".repeat(64));
    installation.ask("why?");
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      awaitAnswers(1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 4);
    }
    var letters = installation.read(installation.topics().deadLetters());
    var topic = installation.topics().llmRequests();
    assertThat(letters.stream().map(letter -> header(letter, RecordHeaders.ORIGIN)))
        .containsExactlyInAnyOrder(topic + "-0@0", topic + "-0@1", topic + "-0@2");
    assertThat(from(letters, topic + "-0@0").value()).isEqualTo(garbage);
    assertThat(header(from(letters, topic + "-0@0"), RecordHeaders.REASON)).isEqualTo("malformed");
    assertThat(header(from(letters, topic + "-0@1"), RecordHeaders.REASON))
        .isEqualTo("bad_signature");
    assertThat(header(from(letters, topic + "-0@1"), RecordHeaders.SIGNATURE))
        .isEqualTo("1:" + "0".repeat(64));
    assertThat(from(letters, topic + "-0@1").value())
        .isEqualTo(forged.getBytes(StandardCharsets.UTF_8));
    assertThat(header(from(letters, topic + "-0@2"), RecordHeaders.REASON_DETAIL))
        .contains("12345");
    assertThat(provider.calls()).isEqualTo(1);
  }

  @Test
  void whatMayNotBeExecutedGoesToTheDeadLettersAndEndsAsFailed() throws Exception {
    long old = installation.newId();
    long oldAtOnce = installation.newId();
    long newer = installation.newId();
    long unreadable = installation.newId();
    long unreadableAtOnce = installation.newId();
    installation.send(signedDaysAgo(4, old));
    installation.send(atOnce(signedDaysAgo(4, oldAtOnce)));
    installation.send(
        atOnce(installation.envelope(newer, "?").replace("\"version\": 1", "\"version\": 2")));
    installation.send(installation.envelope(unreadable, "?").replace("{\"prompt\"", "{prompt"));
    installation.send(
        atOnce(installation.envelope(unreadableAtOnce, "?").replace("{\"prompt\"", "{prompt")));
    long good = installation.ask("why?");
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      awaitAnswers(6);
      await().atMost(PATIENCE).until(() -> installation.committed() == 6);
    }
    assertThat(provider.calls()).isEqualTo(1);
    assertThat(
            installation.results().stream()
                .collect(
                    Collectors.toMap(Result::id, result -> String.valueOf(result.errorCode()))))
        .isEqualTo(
            Map.of(
                old, "too_old",
                oldAtOnce, "too_old",
                newer, "unknown_version",
                unreadable, "malformed",
                unreadableAtOnce, "malformed",
                good, "null"));
    assertThat(installation.resultOf(old).status()).isEqualTo("failed");
    assertThat(installation.resultOf(old).errorMessage()).contains("pgoffload dead-letters");
    assertThat(installation.read(installation.topics().deadLetters())).hasSize(5);
    installation.writeBack();
    assertThat(
            installation.query(
                "select count(*) from pgoffload.llm_result where error_code in ('too_old',"
                    + " 'unknown_version', 'malformed') and id >= "
                    + old))
        .isEqualTo("5");
  }

  @Test
  void whatIsNotOursEndsNobodysRequest() throws Exception {
    long victim = installation.newId();
    var old = signedDaysAgo(4, victim);
    installation.send("k", old.getBytes(StandardCharsets.UTF_8), "1:" + "0".repeat(64));
    installation.send(
        old.replace(
            installation.query("select id from pgoffload.installation"),
            "00000000-0000-4000-8000-000000000000"));
    installation.send(
        installation
            .envelope(victim, "?")
            .replace("\"version\": 1", "\"version\": 2")
            .replace(
                installation.query("select id from pgoffload.installation"),
                "00000000-0000-4000-8000-000000000000"));
    // signed, but as something else
    installation.send(
        installation.envelope(victim, "cancel", "", Instant.now(), Duration.ofMinutes(5)));
    installation.send(
        installation
            .envelope(victim, "cancel", "", Instant.now(), Duration.ofMinutes(5))
            .replace("\"version\": 1", "\"version\": 2"));
    try (var _ = start(new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 5);
      assertThat(installation.answeredIds()).isEmpty();
      installation.ask(victim, "why?");
      awaitAnswers(1);
    }
    assertThat(installation.resultOf(victim).status()).isEqualTo("succeeded");
    assertThat(installation.resultOf(victim).attempts()).isEqualTo(1);
    assertThat(installation.read(installation.topics().deadLetters())).hasSize(5);
  }

  @Test
  void whatIsTooOldButAnsweredOrHeldKeepsItsResult() throws Exception {
    long answered = installation.newId();
    long held = installation.newId();
    installation.execute(
        "insert into pgoffload.llm_result (id, kind, status, requested_by_oid, attempts, finished_at)"
            + " values ("
            + answered
            + ", 'ask', 'succeeded', 10, 1, now())");
    installation.execute("select pgoffload.register_worker('holder', 'fake', 'fake-1', 'test')");
    installation.execute(
        "select pgoffload.claim_llm('holder', epoch, array["
            + held
            + "], array[10::oid], array[null]) from pgoffload.worker where name = 'holder'");
    installation.send(signedDaysAgo(4, answered));
    installation.send(signedDaysAgo(4, held));
    try (var _ = start(new FakeProvider())) {
      // once its holder is dead, nobody else ends it
      awaitAnswers(1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 2);
    }
    assertThat(installation.results())
        .singleElement()
        .satisfies(result -> {
          assertThat(result.id()).isEqualTo(held);
          assertThat(result.errorCode()).isEqualTo("too_old");
          assertThat(result.attempts()).isEqualTo(2);
        });
  }

  @Test
  void recordsOfAnyShapeStopNobody() throws Exception {
    var topic = installation.topics().llmRequests();
    byte[] value = {1, 2, 3};
    installation.send(new ProducerRecord<>(topic, null, value));
    installation.send(new ProducerRecord<byte[], byte[]>(topic, new byte[] {-1, -2}, null));
    var nullHeader = new ProducerRecord<byte[], byte[]>(topic, null, value);
    nullHeader.headers().add(RecordHeaders.SIGNATURE, null).add("other", null);
    installation.send(nullHeader);
    var huge = new byte[(2 << 20) - 200];
    new Random(1).nextBytes(huge);
    var hugeHeader = new ProducerRecord<byte[], byte[]>(topic, null, value);
    hugeHeader.headers().add("huge", huge);
    installation.send(hugeHeader);
    installation.ask("why?");
    try (var _ = start(new FakeProvider())) {
      awaitAnswers(1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 5);
    }
    var letters = installation.read(installation.topics().deadLetters());
    assertThat(letters).hasSize(4);
    assertThat(from(letters, topic + "-0@0").key()).isNull();
    assertThat(from(letters, topic + "-0@0").value()).isEqualTo(value);
    assertThat(from(letters, topic + "-0@1").key()).isEqualTo(new byte[] {-1, -2});
    assertThat(from(letters, topic + "-0@1").value()).isNull();
    assertThat(from(letters, topic + "-0@2").headers().lastHeader("other").value()).isNull();
    assertThat(header(from(letters, topic + "-0@3"), RecordHeaders.REASON_DETAIL))
        .contains("too large to be kept here");
  }

  private static String signedDaysAgo(int days, long id) throws SQLException {
    return installation.envelope(
        id, "ask", "old", Instant.now().minus(Duration.ofDays(days)), Duration.ofMinutes(5));
  }

  private static String atOnce(String envelope) {
    return envelope.replace("\"immediate\": false", "\"immediate\": true");
  }

  @Test
  void aKeyThatIsRotatedInWhileItRunsIsTrustedAtOnce() throws Exception {
    try (var _ = start(new FakeProvider())) {
      installation.ask("before");
      awaitAnswers(1);
      for (int answers = 2; answers < 5; answers++) {
        installation.execute("select pgoffload.new_signing_key()");
        installation.ask("after");
        awaitAnswers(answers);
      }
    }
    assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
  }

  @Test
  void aRequestThatCannotBeClaimedFailsAloneAndStopsNobody() throws Exception {
    long noPartition = (1L << 40) + installation.newId();
    installation.ask("before");
    installation.ask(noPartition, "nowhere");
    installation.ask("after");
    try (var _ = start(new FakeProvider())) {
      awaitAnswers(3);
      await().atMost(PATIENCE).until(() -> installation.committed() == 3);
    }
    var refused = installation.resultOf(noPartition);
    assertThat(refused.status()).isEqualTo("failed");
    assertThat(refused.errorCode()).isEqualTo("not_claimable");
  }

  /// Its claim takes what it asks for as well, and the database has no such character.
  @Test
  void aRequestThatCannotBeRecordedIsClaimedSoThatItsFailureIsWrittenBack() throws Exception {
    long id = installation.newId();
    installation.send(atOnce(installation.envelope(id, "a \\u0000 b")));
    try (var _ = start(new FakeProvider())) {
      awaitAnswers(1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(installation.resultOf(id).errorCode()).isEqualTo("not_claimable");
    installation.writeBack();
    assertThat(installation.query("select error_code from pgoffload.llm_result where id = " + id))
        .isEqualTo("not_claimable");
  }

  @Test
  void anAnswerLargerThanTheTopicTakesFailsClearly() throws Exception {
    var random = new Random(1);
    var large =
        random
            .ints(5 << 20, 0, 64)
            .mapToObj(i -> String.valueOf((char) ('0' + i)))
            .collect(Collectors.joining());
    long id = installation.ask("large");
    long next = installation.ask("next");
    try (var _ =
        start(
            new FakeProvider(call ->
                call.turns().getLast().text().equals("large")
                    ? FakeProvider.answer(large)
                    : FakeProvider.echo(call)))) {
      awaitAnswers(2);
    }
    assertThat(installation.resultOf(id).status()).isEqualTo("failed");
    assertThat(installation.resultOf(id).errorCode()).isEqualTo("answer_too_large");
    assertThat(installation.resultOf(next).status()).isEqualTo("succeeded");
  }

  @Test
  void aNulInAnAnswerDoesNotKeepItFromTheDatabase() throws Exception {
    long id = installation.ask("why?");
    try (var _ = start(new FakeProvider(call -> FakeProvider.answer("a\u0000b")))) {
      awaitAnswers(1);
    }
    installation.writeBack();
    assertThat(installation.query("select answer from pgoffload.llm_result where id = " + id))
        .isEqualTo("a\uFFFDb");
  }

  @Test
  void aFaultOfAProviderEndsItsRequestAndNoOther() throws Exception {
    long fault = installation.ask("fault");
    long error = installation.ask("error");
    long vendor = installation.ask("vendor");
    long good = installation.ask("good");
    try (var _ =
        start(
            new FakeProvider(call ->
                switch (call.turns().getLast().text()) {
                  case "fault" -> throw new IllegalStateException("the prompt in words");
                  case "error" -> throw new StackOverflowError();
                  case "vendor" -> FakeProvider.failure(LlmErrorCode.MODEL_NOT_FOUND);
                  default -> FakeProvider.echo(call);
                }))) {
      awaitAnswers(4);
      await().atMost(PATIENCE).until(() -> installation.committed() == 4);
    }
    assertThat(installation.resultOf(fault).errorCode()).isEqualTo("internal_error");
    assertThat(installation.resultOf(fault).errorMessage()).doesNotContain("prompt");
    assertThat(installation.resultOf(error).errorCode()).isEqualTo("internal_error");
    assertThat(installation.resultOf(vendor).errorCode()).isEqualTo("model_not_found");
    assertThat(installation.resultOf(good).status()).isEqualTo("succeeded");
  }

  @Test
  void whatIsPastItsDeadlineExpiresWithoutACall() throws Exception {
    var envelope =
        installation.envelope(
            installation.newId(),
            "ask",
            "late",
            Instant.now().minusSeconds(10),
            Duration.ofSeconds(5));
    installation.send(
        "k", envelope.getBytes(StandardCharsets.UTF_8), installation.signature(envelope));
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      awaitAnswers(1);
    }
    assertThat(installation.results()).extracting(Result::status).containsExactly("expired");
    assertThat(provider.calls()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT-1H", "PT1H", "P-5D", "P5D"})
  void aWrongClockOfTheMachineDecidesNothing(Duration off) throws Exception {
    long fresh = installation.ask("fresh");
    long late = installation.newId();
    var envelope =
        installation.envelope(
            late, "ask", "late", Instant.now().minusSeconds(60), Duration.ofSeconds(59));
    installation.send(
        "k", envelope.getBytes(StandardCharsets.UTF_8), installation.signature(envelope));
    var provider = new FakeProvider();
    try (var _ =
        WorkerApp.start(
            installation.configuration("w"),
            LlmProviders.of(provider),
            Clock.offset(Clock.systemUTC(), off),
            Telemetry.none())) {
      awaitAnswers(2);
    }
    assertThat(installation.resultOf(fresh).status()).isEqualTo("succeeded");
    assertThat(Instant.parse(installation.resultOf(fresh).finishedAt()))
        .isCloseTo(Instant.now(), within(1, ChronoUnit.MINUTES));
    assertThat(installation.resultOf(late).status()).isEqualTo("expired");
    assertThat(provider.calls()).isEqualTo(1);
    assertThat(installation.read(installation.topics().deadLetters())).isEmpty();
  }

  @Test
  void whatWasSignedAgainIsAsOldAsWhenItWasAsked() throws Exception {
    long id = installation.newId();
    var asked = Instant.now().minusSeconds(600).truncatedTo(ChronoUnit.MILLIS);
    var envelope =
        installation
            .envelope(id, "ask", "again", Instant.now(), Duration.ofMinutes(5))
            .replace("\"immediate\": false", "\"immediate\": true")
            .replace(
                "\"timeout_ms\"",
                "\"created_at_us\": " + asked.toEpochMilli() + "000, \"timeout_ms\"");
    installation.send(
        "k", envelope.getBytes(StandardCharsets.UTF_8), installation.signature(envelope));
    var provider = new FakeProvider();
    try (var _ = start(provider)) {
      awaitAnswers(1);
    }
    assertThat(installation.resultOf(id).status()).isEqualTo("expired");
    assertThat(installation.resultOf(id).run().queuedMs()).isBetween(600_000.0, 660_000.0);
    assertThat(
            installation.query(
                "select extract(epoch from created_at) * 1000 from llm_request where id = " + id))
        .startsWith(asked.toEpochMilli() + ".");
    assertThat(provider.calls()).isZero();
  }

  @Test
  void saysWhatIsWrongWhenTheDatabaseRefusesIt() throws Exception {
    var right = installation.configuration("w");
    var provider = new FakeProvider();
    assertThatThrownBy(() ->
            WorkerApp.start(
                new WorkerConfiguration(
                    right.database().as("pgoffload_results", right.database().password()),
                    right.delivery(),
                    right.llm(),
                    null),
                LlmProviders.of(provider),
                Telemetry.none()))
        .isInstanceOf(WorkerStartException.class)
        .hasMessageContaining("pgoffload_results@");
    assertThat(provider.isClosed()).isTrue();
  }

  @Test
  void canBeClosedTwice() throws Exception {
    var provider = new FakeProvider();
    var worker = start(provider);
    worker.close();
    assertThat(worker.health()).isEqualTo(Health.ended());
    assertThat(provider.isClosed()).isTrue();
    try (var _ = start(new FakeProvider())) {
      worker.close();
      long id = installation.ask("still there?");
      awaitAnswers(1);
      assertThat(installation.resultOf(id).answer()).isEqualTo("still there?");
    }
    assertThat(provider.closes()).isEqualTo(1);
  }

  private static ConsumerRecord<byte[], byte[]> from(
      List<ConsumerRecord<byte[], byte[]>> letters, String origin) {
    return letters.stream()
        .filter(letter -> header(letter, RecordHeaders.ORIGIN).equals(origin))
        .findFirst()
        .orElseThrow();
  }

  private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  private static Map<Long, Integer> attempts() {
    return installation.results().stream().collect(Collectors.toMap(Result::id, Result::attempts));
  }

  private static void awaitAnswers(int count) {
    await().atMost(PATIENCE).until(() -> installation.answeredIds().size() >= count);
  }

  private static WorkerApp start(LlmProvider provider) {
    return start(provider, installation.configuration("w"));
  }

  private static WorkerApp start(LlmProvider provider, WorkerConfiguration configuration) {
    return WorkerApp.start(configuration, LlmProviders.of(provider), Telemetry.none());
  }

  private static WorkerConfiguration configuration(String name, Duration drain) {
    return configuration(name, 2000, 256 << 20, drain);
  }

  private static WorkerConfiguration configuration(String name, int maxInFlight, long maxBytes) {
    return configuration(name, maxInFlight, maxBytes, Duration.ofSeconds(5));
  }

  private static WorkerConfiguration configuration(
      String name, int maxInFlight, long maxBytes, Duration drain) {
    return new WorkerConfiguration(
        installation.worker(),
        new DeliverySettings(
            name,
            "test",
            installation.topics(),
            installation.kafka(),
            maxInFlight,
            maxBytes,
            drain),
        new LlmSettings(maxInFlight, LlmSettings.DEFAULT_DEFER_AFTER, TestInstallation.CALLS),
        null);
  }
}
