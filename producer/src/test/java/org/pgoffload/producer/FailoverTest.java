package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.producer.TwoServers.execute;
import static org.pgoffload.producer.TwoServers.insert;
import static org.pgoffload.producer.TwoServers.query;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresStandby;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.operations.AdoptCopy;
import org.pgoffload.operations.MaintenanceApp;
import org.pgoffload.operations.MaintenanceConfiguration;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.platform.primary.NotPrimaryException;
import org.pgoffload.platform.primary.NotPrimaryException.Code;
import org.pgoffload.platform.primary.ReplacePrimary;
import org.pgoffload.protocol.ControlRecord.Part;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

final class FailoverTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration SILENCE = Duration.ofSeconds(10);

  private TwoServers installation;

  @BeforeEach
  void install() throws SQLException {
    installation = new TwoServers(TestBroker.shared());
  }

  @AfterEach
  void close() {
    installation.close();
  }

  @Test
  void aPromotionIsAcceptedByItselfAndTheOldPrimaryRefusedWhenItReturns() throws Exception {
    var old = installation.primary();
    var promoted = installation.standby("b");
    var part = installation.part("worker w", old, promoted);
    var changed = new CountDownLatch(1);
    part.onChange(changed::countDown);
    var before = awaitServer(part, old);
    installation.producer(old, promoted).awaitCapturing(PATIENCE);
    installation.awaitFollowing(promoted);
    old.kill();

    PostgresStandby.promote(promoted);

    await().atMost(PATIENCE).until(() -> installation.recordedTimeline() == 2);
    assertThat(changed.await(30, TimeUnit.SECONDS)).isTrue();
    awaitServer(part, promoted);
    assertThat(part.token()).isNotEqualTo(before);
    assertThat(query(promoted, "select reason from pgoffload.server_timeline order by number desc"))
        .isEqualTo("promoted");
    assertThat(
            query(
                promoted, "select count(*) from pgoffload.capture_break where reason = 'promoted'"))
        .isEqualTo("1");
    long asked = insert(promoted);
    // no id of before is drawn again, also if range 1 was begun and the standby lacked it
    assertThat(asked >> 36).isEqualTo(2);
    await().atMost(PATIENCE).until(() -> published().contains(asked));

    installation.startPrimaryAgain();
    var returned = installation.primary();
    assertThat(refusal(installation.part("worker alone", returned))).isEqualTo(Code.OLD_TIMELINE);
    awaitServer(installation.part("worker first", returned, promoted), promoted);
    awaitServer(installation.part("worker second", promoted, returned), promoted);
    assertThat(installation.producer(returned).health().ready()).isFalse();

    assertThatThrownBy(() -> MaintenanceApp.once(installation.maintenance(returned)))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("old_timeline");
    assertThatThrownBy(() -> installation.own(returned))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("old_timeline");
    assertThat(installation.own(returned, promoted)).isEqualTo(installation.owner(promoted));
    var both = TwoServers.address("postgres", returned, promoted);
    assertThat(installation.install(both, installation.topics).onPrimary().database())
        .isEqualTo(installation.owner(promoted));
    // of two that take writes, the recorded one is maintained
    execute(promoted, "update pgoffload.setting set value = '0 s' where name = 'id_range_lasts'");
    assertThat(MaintenanceApp.once(installation.maintenance(returned, promoted)))
        .contains("began range 3 of ids");
    assertThat(query(returned, "select pgoffload.current_id_range()")).isEqualTo("0");
  }

  @Test
  void aPromotionIsNotAcceptedWhileAPartIsAtWorkWithTheOldPrimary() throws Exception {
    var original = installation.primary();
    var clone = installation.standby("b");
    installation.synchronise(clone);
    var part = installation.part("worker w", original);
    awaitServer(part, original);
    PostgresStandby.promote(clone);

    var producer = installation.producer(clone);

    await()
        .atMost(PATIENCE)
        .until(() ->
            producer.complaint().contains("promotion_refused")
                && producer.complaint().contains("worker w is at work"));
    assertThat(producer.complaint()).contains("pgoffload adopt", "pgoffload promote --accept");
    assertThat(refusal(installation.part("worker of the clone", clone)))
        .isEqualTo(Code.NOT_ACCEPTED);
    assertThat(installation.recordedTimeline()).isEqualTo(1);
    assertThat(query(clone, "select count(*) from pgoffload.server_timeline")).isEqualTo("1");

    // the administrator knows better, and the parts of before stop
    var accepted =
        RecordPrimary.accept(
            installation.owner(clone), installation.broker.address(), installation.topics);
    assertThat(accepted.atWork()).contains("worker w");
    await().atMost(PATIENCE).until(() -> refusal(part) == Code.OLD_TIMELINE);
    producer.awaitCapturing(PATIENCE);
  }

  @Test
  void aCopyThatLeftTheTimelineTooEarlyIsNotAccepted() throws Exception {
    var original = installation.primary();
    execute(
        original,
        "update pgoffload.setting set value = '1kB' where name = 'failover_permitted_lag'");
    var clone = installation.standby("b");
    installation.synchronise(clone);
    PostgresStandby.promote(clone);
    execute(original, "create table filler as select generate_series(1, 10000)");
    var reached = installation.control();
    var producer = installation.producer(original);
    producer.awaitCapturing(PATIENCE);
    await()
        .atMost(PATIENCE)
        .until(() -> installation.control().reached().compareTo(reached.reached()) > 0);
    producer.close();
    original.kill();

    var ofTheClone = installation.producer(clone);

    await()
        .atMost(PATIENCE)
        .until(() -> ofTheClone.complaint().contains("failover_permitted_lag later"));
    assertThat(installation.recordedTimeline()).isEqualTo(1);
  }

  @Test
  void aCopyOnTheSameTimelineRunsNothing() throws Exception {
    var copy = installation.copy();
    var original = installation.primary();
    // the copy may be ahead of the original
    execute(copy, "create table filler as select generate_series(1, 10000)");
    var producer = installation.producer(original);
    producer.awaitCapturing(PATIENCE);
    assertThat(refusal(installation.part("worker of the copy", copy))).isEqualTo(Code.OTHER_SERVER);

    execute(original, "create table filler as select generate_series(1, 100000)");
    var filled = query(original, "select pg_current_wal_lsn()");
    await()
        .atMost(PATIENCE)
        .until(() -> installation.control().reached().toString().compareTo(filled) >= 0);
    producer.close();

    assertThat(refusal(installation.part("worker of the copy again", copy)))
        .isEqualTo(Code.BEHIND_RECORD);
    assertThatThrownBy(() -> installation.install(copy, installation.topics).run(line -> {}))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("behind_record");

    // an installation of its own, with topics of its own
    AdoptCopy.run(installation.owner(copy));
    assertThat(refusal(installation.part("worker of the adopted", copy)))
        .isEqualTo(Code.OTHER_INSTALLATION);
    var own = new TopicNames(installation.topics.prefix() + "-copy");
    assertThat(installation.install(copy, own).run(line -> {}))
        .anyMatch(line -> line.startsWith("recorded the primary"));
  }

  @Test
  void ofTwoServersPromotedToTheSameTimelineTheSecondIsRefused() throws Exception {
    var old = installation.primary();
    var first = installation.standby("b");
    var second = installation.standby("c");
    installation.synchronise(first, second);
    old.kill();
    PostgresStandby.promote(first);
    PostgresStandby.promote(second);
    assertThat(PostgresStandby.timeline(second)).isEqualTo(PostgresStandby.timeline(first));

    installation.producer(first).awaitCapturing(PATIENCE);

    assertThat(refusal(installation.part("worker w", second))).isEqualTo(Code.OTHER_FORK);
    awaitServer(installation.part("worker v", second, first), first);
  }

  @Test
  void aPromotionThatWasInterruptedAfterTheDatabaseIsFinished() throws Exception {
    var old = installation.primary();
    var promoted = installation.standby("b");
    installation.synchronise(promoted);
    old.kill();
    PostgresStandby.promote(promoted);
    query(promoted, "select pgoffload.prepare_timeline()");
    var begun = query(promoted, "select pgoffload.begin_timeline(2, null, 'promoted')");

    installation.producer(promoted).awaitCapturing(PATIENCE);

    assertThat(installation.control().token().map(Object::toString)).contains(begun);
    assertThat(query(promoted, "select count(*) from pgoffload.server_timeline")).isEqualTo("2");
    assertThat(query(promoted, "select count(*) from pgoffload.capture_break")).isEqualTo("1");
  }

  @Test
  void aLostRecordStopsWhatStartsAndNothingThatRuns() throws Exception {
    var server = installation.primary();
    var running = installation.part("worker w", server);
    awaitServer(running, server);
    installation
        .broker
        .admin()
        .deleteTopics(List.of(installation.topics.control()))
        .all()
        .get(30, TimeUnit.SECONDS);
    try (var connection = running.connect("test", SILENCE)) {
      assertThat(connection.isValid(5)).isTrue();
    }
    assertThatThrownBy(() -> installation.install(server, installation.topics).run(line -> {}))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("no_record")
        .hasMessageContaining("pgoffload promote --accept")
        .hasMessageContaining("pgoffload adopt");
    assertThat(refusal(installation.part("worker v", server))).isEqualTo(Code.NO_RECORD);

    RecordPrimary.accept(
        installation.owner(server), installation.broker.address(), installation.topics);

    awaitServer(installation.part("worker u", server), server);
    await().atMost(PATIENCE).until(() -> running.token().equals(installation.control().token()));
    assertThat(installation.install(server, installation.topics).run(line -> {})).isEmpty();
  }

  @Test
  void aSingleRoundOfMaintenanceWaitsForASlowKafka() throws Exception {
    var server = installation.primary();
    try (var slow = new SlowKafka(installation.broker.address())) {
      var round =
          CompletableFuture.supplyAsync(() -> {
            try {
              return MaintenanceApp.once(
                  new MaintenanceConfiguration(
                      installation.owner(server),
                      installation.topics,
                      slow.address(),
                      Duration.ofMinutes(1)));
            } catch (Exception e) {
              throw new CompletionException(e);
            }
          });
      var part =
          installation.open(
              FollowPrimary.watch(installation.owner(server), slow.address(), installation.topics));
      await().atMost(PATIENCE).until(() -> part.complaint().contains("Kafka does not answer"));

      slow.answer();

      assertThat(round.get(60, TimeUnit.SECONDS)).isNotNull();
    }
  }

  @Test
  void aRecordOfANewerVersionStopsAPartByName() throws Exception {
    var part = installation.part("worker w", installation.primary());
    awaitServer(part, installation.primary());
    installation.broker.send(
        new ProducerRecord<>(
            installation.topics.control(),
            0,
            "primary".getBytes(StandardCharsets.UTF_8),
            "{\"version\":2,\"kind\":\"primary\"}".getBytes(StandardCharsets.UTF_8)));
    await().atMost(PATIENCE).until(() -> refusal(part) == Code.UNKNOWN_VERSION);
  }

  @Test
  void ofTwoThatReplaceTheRecordTheLaterOneWrites() {
    var recorded = Objects.requireNonNull(installation.control().primary());
    try (var earlier = ReplacePrimary.begin(installation.broker.address(), installation.topics);
        var later = ReplacePrimary.begin(installation.broker.address(), installation.topics)) {
      assertThatThrownBy(() -> earlier.write(recorded)).isInstanceOf(KafkaException.class);
      later.write(recorded);
    }
  }

  @Test
  void aPartThatEndsTakesItsRecordWithIt() throws Exception {
    var part = installation.part("worker w", installation.primary());
    awaitServer(part, installation.primary());
    await().atMost(PATIENCE).until(() -> parts().contains("worker w"));
    part.close();
    await().atMost(PATIENCE).until(() -> parts().isEmpty());
  }

  private List<String> parts() {
    return installation.control().parts().values().stream()
        .map(seen -> seen.part())
        .map(Part::name)
        .toList();
  }

  private List<Long> published() {
    return installation.broker.read(installation.topics.llmRequests()).stream()
        .map(record -> Envelope.read(record.value()).id())
        .toList();
  }

  /// Returns the token.
  private static Object awaitServer(FollowPrimary part, PostgresServer server) {
    await()
        .atMost(PATIENCE)
        .ignoreExceptionsInstanceOf(SQLException.class)
        .until(() -> {
          try (var connection = part.connect("test", SILENCE)) {
            return connection.isValid(5)
                && part.server().equals(new DatabaseServer(server.host(), server.port()));
          }
        });
    return part.token();
  }

  /// Why the part has no session; null if it has one.
  private static @Nullable Code refusal(FollowPrimary part) throws SQLException {
    try (var _ = part.connect("test", SILENCE)) {
      return null;
    } catch (NotPrimaryException e) {
      return e.code();
    }
  }
}
