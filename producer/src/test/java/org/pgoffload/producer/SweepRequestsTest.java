package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.operations.InstallSlot;
import org.pgoffload.operations.RecordCaptureBreak;

/// The slot is gone for good, with what had not been captured. The test plays the workers: it
/// commits their offsets.
final class SweepRequestsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @RegisterExtension
  static final TestInstallation installation = TestInstallation.start(PostgresVersion.V18);

  @Test
  void sendsAgainWhatWasLostWithTheSlotOnceWhatWasCapturedIsWorkedOff() throws Exception {
    long captured;
    try (var app = installation.startProducer()) {
      app.awaitCapturing(PATIENCE);
      captured = installation.insert("captured and queued");
      await().atMost(PATIENCE).until(() -> installation.publishedIds().equals(List.of(captured)));
    }
    long lost = installation.insert("committed while nothing captured");
    installation.dropSlot();
    long alsoLost = installation.insert("committed while there was no slot");
    try (var app = installation.startProducer()) {
      await()
          .atMost(PATIENCE)
          .until(() ->
              app.complaint().contains("slot_missing")
                  && app.complaint().contains("run pgoffload install"));
      installSlot();
      app.awaitCapturing(PATIENCE);
      long after = installation.insert("after");
      await()
          .atMost(PATIENCE)
          .until(() -> installation.publishedIds().containsAll(List.of(captured, after)));
      // the workers have not worked off what was captured: nothing is sent again yet
      commit(installation.topics().workersOf(installation.topics().llmRequests()), 0);
      assertThat(
              installation.query(
                  "select count(*) from pgoffload.capture_break where swept_at is null"))
          .isEqualTo("1");
      assertThat(installation.publishedIds()).doesNotContain(lost, alsoLost);

      // they have, and what was captured is answered
      answer(captured);
      answer(after);
      commit(installation.topics().workersOf(installation.topics().llmRequests()), Long.MAX_VALUE);
      await()
          .atMost(PATIENCE)
          .until(() -> installation.publishedIds().containsAll(List.of(lost, alsoLost)));
      await()
          .atMost(PATIENCE)
          .until(() ->
              installation
                  .query(
                      "select sent_again from pgoffload.capture_break where swept_at is not null")
                  .equals("2"));
      assertThat(installation.publishedIds())
          .containsExactlyInAnyOrder(captured, after, lost, alsoLost);
      assertThat(installation.published())
          .allMatch(record -> {
            try {
              return installation.isSigned(record);
            } catch (SQLException e) {
              throw new AssertionError(e);
            }
          });
    }
  }

  private static void installSlot() {
    var slot = installation.configuration().slot();
    RecordCaptureBreak.plan(installation.admin(), "slot_created");
    assertThat(InstallSlot.run(installation.admin(), slot, PATIENCE, _ -> {})).isPresent();
    assertThat(RecordCaptureBreak.complete(installation.admin())).isPresent();
  }

  private static void answer(long id) throws SQLException {
    installation.execute(
        "insert into pgoffload.llm_result (id, kind, status, requested_by_oid, answer, attempts, finished_at)"
            + " values ("
            + id
            + ", 'ask', 'succeeded', 10, 'a', 1, now())");
  }

  /// Up to an offset, but no further than there is anything.
  private static void commit(String group, long atMost) throws Exception {
    try (var admin = Admin.create(installation.kafka())) {
      var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
      for (var record : installation.published()) {
        offsets.merge(
            new TopicPartition(record.topic(), record.partition()),
            new OffsetAndMetadata(Math.min(atMost, record.offset() + 1)),
            (one, other) -> one.offset() > other.offset() ? one : other);
      }
      admin.alterConsumerGroupOffsets(group, offsets).all().get();
    }
  }
}
