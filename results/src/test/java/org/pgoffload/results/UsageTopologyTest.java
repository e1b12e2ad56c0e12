package org.pgoffload.results;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.protocol.TopicNames;

final class UsageTopologyTest {
  private static final Instant START = Instant.parse("2026-05-06T12:00:30Z");
  private static final String NOW = START.toString();
  private static final String MINUTE = "2026-05-06T12:00:00Z";
  private static final TopicNames TOPICS = new TopicNames("p");

  @TempDir Path directory;

  private TopologyTestDriver driver;
  private TestInputTopic<byte[], byte[]> results;
  private TestOutputTopic<String, byte[]> usage;

  @BeforeEach
  void start() {
    driver =
        new TopologyTestDriver(
            UsageTopology.of(TOPICS, new SkippedRecords()),
            UsageApp.streamsProperties(ClientPropertiesTest.CONFIGURATION, directory, 1),
            START);
    results =
        driver.createInputTopic(
            TOPICS.results(), new ByteArraySerializer(), new ByteArraySerializer());
    usage =
        driver.createOutputTopic(
            TOPICS.usage(), new StringDeserializer(), new ByteArrayDeserializer());
  }

  @AfterEach
  void end() {
    driver.close();
  }

  @Test
  void countsARequestWhereItWasAnsweredAndCallsWhereTheyWereMade() {
    send(
        result(
            1,
            1,
            NOW,
            failed("anthropic", "claude", 10),
            failed("openai", "gpt", 20),
            answered("openai", "gpt", 30)));
    assertThat(totals())
        .containsExactly(
            usage(MINUTE, "anthropic", "claude", 0, 0, 0, 1, 1, 10),
            usage(MINUTE, "openai", "gpt", 1, 0, 0, 2, 1, 50));
  }

  @Test
  void countsEveryCallOfAShortenedRecord() {
    var refused = failed("openai", "gpt", 1);
    send(result(1, 1, NOW, refused.and(refused).and(refused), answered("openai", "gpt", 30)));
    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 1, 0, 0, 4, 3, 33));
  }

  @Test
  void addsUpToTotalsThatReplaceEachOther() {
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    passOn();
    send(result(2, 1, NOW, answered("openai", "gpt", 2)));
    passOn();
    send(result(3, 1, NOW, answered("openai", "gpt", 4)));
    assertThat(totals())
        .containsExactly(
            usage(MINUTE, "openai", "gpt", 1, 0, 0, 1, 0, 1),
            usage(MINUTE, "openai", "gpt", 2, 0, 0, 2, 0, 3),
            usage(MINUTE, "openai", "gpt", 3, 0, 0, 3, 0, 7));
  }

  @Test
  void sumsUpWhatComesInOneMoment() {
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    send(result(2, 1, NOW, answered("openai", "gpt", 2)));
    // a commit in between leaves the sum to the next owner of the partition
    assertThat(usage.isEmpty()).isTrue();
    assertThat(driver.<String, LlmUsage>getKeyValueStore(UsageTopology.WAITING).all())
        .toIterable()
        .hasSize(1);

    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 2, 0, 0, 2, 0, 3));
    assertThat(totals()).isEmpty();
    send(result(3, 1, NOW, answered("openai", "gpt", 4)));
    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 3, 0, 0, 3, 0, 7));
  }

  @Test
  void countsAnAttemptOnceHoweverOftenItsResultComes() {
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    driver.advanceWallClockTime(Duration.ofDays(7));
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 1, 0, 0, 1, 0, 1));
  }

  /// All in one millisecond of the driver's clock.
  @Test
  void countsTheCallsOfALosingAttemptAndTheRequestOnce() {
    send(result(1, 2, NOW, answered("openai", "gpt", 1)));
    send(result(1, 1, NOW, answered("openai", "gpt", 2)));
    send(result(1, 3, NOW, failed("openai", "gpt", 4)));
    send(result(1, 2, NOW, answered("openai", "gpt", 1)));
    send(result(1, 1, NOW, answered("openai", "gpt", 2)));
    send(result(1, 3, NOW, failed("openai", "gpt", 4)));
    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 1, 0, 0, 3, 1, 7));
  }

  @Test
  void anIdThatCameAgainAfterAFailOverIsAnotherRequest() {
    var lost = new UUID(0, 1);
    var anew = new UUID(0, 2);
    for (int i = 0; i < 2; i++) {
      send(withNonce(lost, result(1, 1, NOW, answered("openai", "gpt", 1))));
      send(withNonce(anew, result(1, 1, NOW, answered("openai", "gpt", 2))));
      // executed again after the fail-over
      send(withNonce(anew, result(1, 101, NOW, answered("openai", "gpt", 4))));
      // of a worker of an earlier version, whatever of them it is
      send(result(1, 101, NOW, answered("openai", "gpt", 4)));
    }
    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 2, 0, 0, 3, 0, 7));
  }

  private static Result withNonce(UUID nonce, Result result) {
    var head = result.head();
    return new Result(
        new ResultHead(
            head.version(),
            head.id(),
            head.kind(),
            head.status(),
            head.requestedBy(),
            head.requestedByOid(),
            nonce),
        result.outcome(),
        result.origin(),
        result.tokens(),
        result.run(),
        null,
        result.provenance(),
        result.maintained());
  }

  @Test
  void countsWhatFailedAndWhatWasCached() {
    send(ended(1, Result.FAILED, "openai", "gpt", null, List.of(failed("openai", "gpt", 1))));
    send(ended(2, Result.SUCCEEDED, "openai", "gpt", 1L, List.of()));
    send(ended(3, Result.EXPIRED, "openai", "gpt", null, List.of()));
    assertThat(totals()).last().isEqualTo(usage(MINUTE, "openai", "gpt", 3, 2, 1, 1, 1, 1));
  }

  @Test
  void countsARequestThatCameToNobodyUnderEmptyNames() {
    send(ended(1, Result.CANCELLED, null, null, null, null));
    assertThat(totals()).containsExactly(usage(MINUTE, "", "", 1, 1, 0, 0, 0, 0));
  }

  @Test
  void putsWhatComesLateIntoItsOwnMinute() {
    send(result(1, 1, "2026-05-06T12:00:00Z", answered("openai", "gpt", 1)));
    send(result(2, 1, "2026-05-06T12:01:00Z", answered("openai", "gpt", 2)));
    send(result(3, 1, "2026-05-06T14:00:59.999999+02:00", answered("openai", "gpt", 4)));
    send(result(4, 1, "2026-05-04T23:59:59Z", answered("openai", "gpt", 8)));
    assertThat(totals())
        .containsExactly(
            usage("2026-05-04T23:59:00Z", "openai", "gpt", 1, 0, 0, 1, 0, 8),
            usage(MINUTE, "openai", "gpt", 2, 0, 0, 2, 0, 5),
            usage("2026-05-06T12:01:00Z", "openai", "gpt", 1, 0, 0, 1, 0, 2));
  }

  @ParameterizedTest
  @ValueSource(strings = {"9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"})
  void aClockThatIsYearsOffDisturbsNobody(String wrong) {
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    send(result(2, 1, wrong, answered("openai", "gpt", 2)));
    driver.advanceWallClockTime(UsageTopology.TIDIED_EVERY);
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    send(result(3, 1, NOW, answered("openai", "gpt", 4)));
    send(result(4, 1, wrong, answered("openai", "gpt", 8)));
    assertThat(totals())
        .containsExactlyInAnyOrder(
            usage(MINUTE, "openai", "gpt", 1, 0, 0, 1, 0, 1),
            usage(wrong, "openai", "gpt", 1, 0, 0, 1, 0, 2),
            usage(MINUTE, "openai", "gpt", 2, 0, 0, 2, 0, 5),
            usage(wrong, "openai", "gpt", 2, 0, 0, 2, 0, 10));
  }

  @Test
  void tellsRolesApartByTheirOidsAndNamesThemAsLastHeardOf() {
    send(byRole(1, 10, "app"));
    send(byRole(2, 11, "app"));
    send(byRole(3, 10, "renamed"));
    assertThat(totals())
        .extracting(
            usage -> usage.scope().requestedByOid(),
            usage -> usage.scope().requestedBy(),
            usage -> usage.counts().requests())
        .containsExactly(tuple(10L, "renamed", 2L), tuple(11L, "app", 1L));
  }

  @Test
  void theKeyIsThatOfTheMessage() {
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    passOn();
    var record = usage.readRecord();
    assertThat(record.key()).isEqualTo(LlmUsage.read(record.value()).recordKey());
  }

  @Test
  void takesTheTokensOfAResultThatDoesNotTellItsCallsForThoseOfOneCall() {
    var old = TestInstallation.result(1, "by a worker of the version before");
    assertThat(old.calls()).isNull();
    send(old);
    send(ended(2, Result.FAILED, "fake", "fake-1", null, null));
    assertThat(totals())
        .extracting(
            usage -> usage.counts().requests(),
            usage -> usage.counts().calls(),
            usage -> usage.tokens().output())
        .containsExactly(tuple(1L, 1L, 1L), tuple(1L, 0L, 0L));
  }

  @Test
  void leavesOutWhatIsNoResultOfAnLlm() {
    var result = new String(result(1, 1, NOW, answered("openai", "gpt", 1)).write(), UTF_8);
    send("garbage");
    send("");
    send("{}");
    send("[]");
    send(result.replace(NOW, "today"));
    send(result.replace("\"requested_by_oid\":10", "\"requested_by_oid\":0"));
    send(result.replace("\"provider\":\"openai\"", "\"provider\":null"));
    results.pipeInput(new byte[] {'1'}, (byte[]) null);
    send(new String(SqlRows.of(1, 1, 1, 10, List.of(List.of("v"))).write(), UTF_8));
    assertThat(totals()).isEmpty();
    send(result);
    assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 1, 0, 0, 1, 0, 1));
  }

  @Test
  void cutsNamesThatNoKeyCouldHoldAndCountsNothingNegative() {
    send(result(1, 1, NOW, answered("openai", "m".repeat(100_000), -5)));
    assertThat(totals())
        .last()
        .isEqualTo(usage(MINUTE, "openai", "m".repeat(250), 0, 0, 0, 1, 0, 0));
  }

  @Test
  void cutsNoCharacterOfANameInTwo() {
    send(result(1, 1, NOW, answered("openai", "m".repeat(249) + "😀", 1)));
    assertThat(totals())
        .last()
        .isEqualTo(usage(MINUTE, "openai", "m".repeat(249), 0, 0, 0, 1, 0, 1));
  }

  @Test
  void staysAtTheLargestSumThatAMessageHolds() {
    send(result(1, 1, NOW, answered("openai", "gpt", Long.MAX_VALUE)));
    send(result(2, 1, NOW, answered("openai", "gpt", Long.MAX_VALUE)));
    assertThat(totals())
        .last()
        .isEqualTo(usage(MINUTE, "openai", "gpt", 2, 0, 0, 2, 0, Long.MAX_VALUE));
  }

  @Test
  void forgetsATotalEightDaysAfterItsLastChangeWithoutTakingItBack() {
    send(result(1, 1, NOW, answered("openai", "gpt", 1)));
    driver.advanceWallClockTime(Duration.ofDays(7));
    send(result(2, 1, NOW, answered("openai", "gpt", 2)));
    driver.advanceWallClockTime(Duration.ofDays(7));
    send(result(3, 1, NOW, answered("openai", "gpt", 4)));
    assertThat(totals()).last().isEqualTo(usage(MINUTE, "openai", "gpt", 3, 0, 0, 3, 0, 7));
    driver.advanceWallClockTime(UsageTopology.TOTALS_REMEMBERED.plusHours(2));
    assertThat(totals()).isEmpty();
    assertThat(driver.<String, LlmUsage>getTimestampedKeyValueStore(UsageTopology.TOTALS).all())
        .toIterable()
        .isEmpty();
  }

  /// The group's offsets were lost, say, on a topic that keeps records for longer than ours do.
  @Test
  void whatIsReadAgainAfterEverythingWasForgottenComesToNoMoreThanBefore() {
    for (int round = 0; round < 2; round++) {
      send(result(1, 1, NOW, answered("openai", "gpt", 1)));
      send(result(2, 1, NOW, answered("openai", "gpt", 2)));
      assertThat(totals()).containsExactly(usage(MINUTE, "openai", "gpt", 2, 0, 0, 2, 0, 3));
      driver.advanceWallClockTime(UsageTopology.RESULTS_REMEMBERED.plusHours(2));
      // the store forgets by what it is given
      send(result(100 + round, 1, "2026-06-01T00:00:00Z"));
      totals();
    }
  }

  private static Call answered(String provider, String model, long tokens) {
    return new Call(
        provider,
        model,
        NOW,
        1,
        new Call.Reply(null, null, 200, null, "r"),
        new TokenCounts(tokens, tokens, tokens, tokens));
  }

  private static Call failed(String provider, String model, long tokens) {
    return new Call(
        provider,
        model,
        NOW,
        1,
        new Call.Reply("c", "m", 500, null, null),
        new TokenCounts(tokens, tokens, tokens, tokens));
  }

  private static Result result(long id, int attempt, String finishedAt, Call... calls) {
    return result(id, attempt, finishedAt, 10, "app", calls);
  }

  private static Result byRole(long id, long oid, String name) {
    return result(id, 1, NOW, oid, name, answered("openai", "gpt", 1));
  }

  private static Result result(
      long id, int attempt, String finishedAt, long oid, String name, Call... calls) {
    return new Result(
        new ResultHead(1, id, "ask", Result.SUCCEEDED, name, oid, null),
        new Result.Outcome("answer", null, null, "stop"),
        new Result.Origin("openai", "gpt", null),
        // the sums of the calls, which are not to be counted again
        new Result.Tokens(1_000L, 1_000L, 1_000L, 1_000L),
        new Result.Run(attempt, 1.0, 1.0, "w", finishedAt),
        null,
        new Result.Provenance(null, List.of(calls), null),
        null);
  }

  private static Result ended(
      long id,
      String status,
      @Nullable String provider,
      @Nullable String model,
      @Nullable Long cachedFrom,
      @Nullable List<Call> calls) {
    return new Result(
        new ResultHead(1, id, "ask", status, "app", 10, null),
        new Result.Outcome(null, status.equals(Result.SUCCEEDED) ? null : "c", null, null),
        new Result.Origin(provider, model, null),
        new Result.Tokens(0L, 0L, 0L, 0L),
        new Result.Run(1, 1.0, 1.0, "w", NOW),
        null,
        new Result.Provenance(cachedFrom, calls, null),
        null);
  }

  private static LlmUsage usage(
      String minute,
      String provider,
      String model,
      long requests,
      long failed,
      long cached,
      long calls,
      long failedCalls,
      long eachTokens) {
    return new LlmUsage(
        1,
        new LlmUsage.Scope(minute, 10, "app", provider, model),
        new LlmUsage.Counts(requests, failed, cached, calls, failedCalls),
        new TokenCounts(eachTokens, eachTokens, eachTokens, eachTokens));
  }

  private void send(Result result) {
    results.pipeInput(result.recordKey().getBytes(UTF_8), result.write());
  }

  private void send(String value) {
    results.pipeInput(new byte[] {'1'}, value.getBytes(UTF_8));
  }

  private void passOn() {
    driver.advanceWallClockTime(UsageTopology.PASSED_ON_EVERY);
  }

  /// What was published since the last time.
  private List<LlmUsage> totals() {
    passOn();
    return usage.readValuesToList().stream().map(LlmUsage::read).toList();
  }
}
