package org.pgoffload.results;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.WindowStore;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.TopicNames;

/// The usage's topology: results in, the totals of each minute, role, provider and model out.
///
/// First, where the results are: what was counted already is left out, by request and attempt. A
/// worker may publish a result twice, and a request may have a result of each of its attempts; the
/// request counts with the first, the calls with each. Its nonce tells a request from another one
/// of its id, which was lost in a fail-over. What the results of a moment add to a total is summed
/// up before it is passed on.
///
/// Then, on the one partition of a topic of its own, because the results of a role lie on all: the
/// sums. Only the last total of a commit is published.
///
/// Time is the application's own clock, never a worker's: one that is years ahead would make
/// everything else too old to be remembered.
final class UsageTopology {
  /// How long a total is remembered after its last change: as long as the results topic keeps a
  /// record with the usual `retention` of 7 days. So whatever is read again, because a worker
  /// repeats it or because the group's offsets were lost, meets the total that it is part of.
  static final Duration TOTALS_REMEMBERED = Duration.ofDays(7).plus(TopicNames.KEPT_LONGER);

  /// How long a result is remembered: longer than its total. If both are forgotten, a total begins
  /// anew and comes to no more than the one that was published; a total that has forgotten its
  /// parts would double.
  static final Duration RESULTS_REMEMBERED = TOTALS_REMEMBERED.plusDays(1);

  /// How long sums wait to be passed on: short against the time between two commits.
  static final Duration PASSED_ON_EVERY = Duration.ofMillis(100);

  static final Duration TIDIED_EVERY = Duration.ofHours(1);
  static final Duration TOLD_EVERY = Duration.ofMinutes(1);

  // the names of internal topics have these in them: <prefix>.usage-counted-changelog, …
  static final String COUNTED = "counted";
  static final String WAITING = "waiting";
  static final String PARTS = "parts";
  static final String TOTALS = "totals";

  private UsageTopology() {}

  static Topology of(TopicNames topics, SkippedRecords skipped) {
    var builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.windowStoreBuilder(
            Stores.persistentWindowStore(COUNTED, RESULTS_REMEMBERED, Duration.ofMillis(1), false),
            Serdes.Long(),
            Serdes.serdeFrom(
                (_, attempt) -> attempt == null ? null : attempt.write(),
                (_, bytes) -> bytes == null ? null : CountedAttempt.read(bytes))));
    var usage = usage();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(WAITING), Serdes.String(), usage)
            .withCachingEnabled());
    var parts =
        builder.stream(topics.results(), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .process(() -> new CountOnce(skipped), COUNTED, WAITING)
            .repartition(
                Repartitioned.with(Serdes.String(), usage)
                    .withName(PARTS)
                    .withNumberOfPartitions(1));
    parts
        .groupByKey()
        .reduce(
            LlmUsage::plus,
            Materialized.<String, LlmUsage, KeyValueStore<Bytes, byte[]>>as(TOTALS)
                .withKeySerde(Serdes.String())
                .withValueSerde(usage)
                .withCachingEnabled())
        .toStream()
        // what is forgotten here is not taken back
        .filter((_, total) -> total != null)
        .to(topics.usage(), Produced.with(Serdes.String(), usage));
    parts.process(ForgetTotals::new, TOTALS);
    return builder.build();
  }

  private static Serde<LlmUsage> usage() {
    return Serdes.serdeFrom(
        (_, usage) -> usage == null ? null : usage.write(),
        (_, bytes) -> bytes == null ? null : LlmUsage.read(bytes));
  }

  /// An attempt that was counted.
  ///
  /// @param nonce of its request; null in a result of an earlier version
  private record CountedAttempt(int number, @Nullable UUID nonce) {
    static CountedAttempt of(Result result) {
      return new CountedAttempt(result.attempts(), result.head().nonce());
    }

    boolean isOfTheSameRequest(CountedAttempt other) {
      return nonce == null || other.nonce == null || nonce.equals(other.nonce);
    }

    byte[] write() {
      return nonce == null
          ? ByteBuffer.allocate(Integer.BYTES).putInt(number).array()
          : ByteBuffer.allocate(Integer.BYTES + 2 * Long.BYTES)
              .putInt(number)
              .putLong(nonce.getMostSignificantBits())
              .putLong(nonce.getLeastSignificantBits())
              .array();
    }

    static CountedAttempt read(byte[] bytes) {
      var buffer = ByteBuffer.wrap(bytes);
      int number = buffer.getInt();
      return new CountedAttempt(
          number, buffer.hasRemaining() ? new UUID(buffer.getLong(), buffer.getLong()) : null);
    }
  }

  /// Sums up what each result adds, the first time it comes, and passes the sums on every moment.
  /// They wait in a store: a commit in between, when the partition moves, leaves them to the next
  /// owner.
  private static final class CountOnce
      extends ContextualProcessor<byte[], byte[], String, LlmUsage> {
    private final SkippedRecords skipped;
    private @Nullable WindowStore<Long, CountedAttempt> counted;
    private @Nullable KeyValueStore<String, LlmUsage> waiting;

    /// What the store holds, which would read it anew for each result.
    private final Map<String, LlmUsage> sums = new TreeMap<>();

    CountOnce(SkippedRecords skipped) {
      this.skipped = skipped;
    }

    @Override
    public void init(ProcessorContext<String, LlmUsage> context) {
      super.init(context);
      counted = context.getStateStore(COUNTED);
      waiting = context.getStateStore(WAITING);
      // a task that is taken up again after a fault has its processors still
      sums.clear();
      try (var all = waiting().all()) {
        all.forEachRemaining(each -> sums.put(each.key, each.value));
      }
      context.schedule(TOLD_EVERY, PunctuationType.WALL_CLOCK_TIME, _ -> skipped.tell());
      context.schedule(PASSED_ON_EVERY, PunctuationType.WALL_CLOCK_TIME, this::passOn);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      byte @Nullable [] value = record.value();
      Result result;
      Collection<LlmUsage> asFirst;
      try {
        result = ReadRecord.ofLlm(value == null ? new byte[0] : value);
        if (result == null) {
          return;
        }
        asFirst = UsageOf.result(result, true);
      } catch (RuntimeException e) {
        // what cannot be read now cannot be read after a restart either: it must not stop the rest
        skipped.add();
        return;
      }
      count(result, asFirst);
    }

    private void count(Result result, Collection<LlmUsage> asFirst) {
      var counting = CountedAttempt.of(result);
      boolean isFirst = true;
      long last = Long.MIN_VALUE;
      try (var attempts = counted().fetch(result.id(), 0, Long.MAX_VALUE)) {
        while (attempts.hasNext()) {
          var attempt = attempts.next();
          last = attempt.key;
          if (counting.isOfTheSameRequest(attempt.value)) {
            if (attempt.value.number == counting.number) {
              return;
            }
            isFirst = false;
          }
        }
      }
      long now = context().currentSystemTimeMs();
      // two attempts in one millisecond must not take each other's place
      counted().put(result.id(), counting, Math.max(now, last + 1));
      (isFirst ? asFirst : UsageOf.result(result, false)).forEach(this::add);
    }

    private void add(LlmUsage part) {
      var key = part.recordKey();
      waiting().put(key, Objects.requireNonNull(sums.merge(key, part, LlmUsage::plus)));
    }

    private void passOn(long now) {
      sums.forEach((key, sum) -> {
        context().forward(new Record<>(key, sum, now));
        waiting().delete(key);
      });
      sums.clear();
    }

    private KeyValueStore<String, LlmUsage> waiting() {
      return Objects.requireNonNull(waiting, "initialised by Kafka Streams");
    }

    private WindowStore<Long, CountedAttempt> counted() {
      return Objects.requireNonNull(counted, "initialised by Kafka Streams");
    }
  }

  /// Forgets, now and then, the totals that have not changed for long.
  private static final class ForgetTotals
      extends ContextualProcessor<String, LlmUsage, Void, Void> {
    @Override
    public void init(ProcessorContext<Void, Void> context) {
      super.init(context);
      TimestampedKeyValueStore<String, LlmUsage> totals = context.getStateStore(TOTALS);
      context.schedule(
          TIDIED_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> forgetOldOf(totals, now));
    }

    private static void forgetOldOf(TimestampedKeyValueStore<String, LlmUsage> totals, long now) {
      var old = new ArrayList<String>();
      try (var all = totals.all()) {
        while (all.hasNext()) {
          var each = all.next();
          if (each.value.timestamp() < now - TOTALS_REMEMBERED.toMillis()) {
            old.add(each.key);
          }
        }
      }
      old.forEach(totals::delete);
    }

    @Override
    public void process(Record<String, LlmUsage> part) {}
  }
}
