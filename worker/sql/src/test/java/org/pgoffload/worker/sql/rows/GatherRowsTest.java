package org.pgoffload.worker.sql.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.worker.sql.TestTasks;
import org.pgoffload.worker.sql.TestTopic;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.StoppedException;

final class GatherRowsTest {
  private final TestTopic topic = new TestTopic();
  private final TestStore stored = new TestStore();
  private final RunningTask running = new RunningTask(1, Optional.empty());

  private GatherRows gather(int queueSize, ResultsTopic to) {
    return new GatherRows(TestTasks.task(1, "", queueSize), 3, to, stored, running);
  }

  private static byte[] @Nullable [] row(@Nullable String... values) {
    var row = new byte[values.length] @Nullable [];
    for (int i = 0; i < values.length; i++) {
      var value = values[i];
      row[i] = value == null ? null : value.getBytes(StandardCharsets.UTF_8);
    }
    return row;
  }

  @Test
  void fewRowsStayWithTheResult() throws Exception {
    var rows = gather(64, topic);
    rows.add(row("1", null));
    rows.add(row("", "ü"));
    assertThat(rows.end())
        .isEqualTo(
            new GatherRows.Gathered(
                2, List.of(Arrays.asList("1", null), Arrays.asList("", "ü")), 0, false, 0));
    assertThat(topic.chunks()).isEmpty();
    assertThat(stored.chunks).isEmpty();
  }

  @Test
  void manyRowsFillChunksOfTheSizeThatWasAskedFor() throws Exception {
    var rows = gather(10_000, topic);
    for (int i = 0; i < 1000; i++) {
      rows.add(row(Integer.toString(i), "\n\"\\\u0001é".repeat(10)));
    }
    var gathered = rows.end();
    assertThat(gathered.inline()).isNull();
    assertThat(gathered.count()).isEqualTo(1000);
    assertThat(gathered.split()).isFalse();
    assertThat(topic.chunks()).hasSize(gathered.chunks());
    assertThat(topic.chunks())
        .allSatisfy(chunk -> assertThat(chunk.write().length).isLessThan(10_200));
    assertThat(topic.chunks().stream().limit(gathered.chunks() - 1))
        .allSatisfy(chunk -> assertThat(chunk.write().length).isGreaterThan(8_000));
    assertThat(topic.chunks()).extracting(SqlRows::attempt).containsOnly(3);
    assertThat(topic.chunks().stream().mapToInt(SqlRows::number).boxed())
        .isEqualTo(IntStream.rangeClosed(1, gathered.chunks()).boxed().toList());
  }

  @Test
  void aRowLargerThanItsChunkHasOneOfItsOwnAndOneLargerThanAnyIsCut() throws Exception {
    var rows = gather(4096, topic);
    var large = "x".repeat(100_000);
    // pairs of surrogates at every place where it may be cut
    var huge = "a" + "😀\"".repeat(600_000);
    rows.add(row("1"));
    rows.add(row(large));
    rows.add(row("2"));
    rows.add(row(huge, null));
    rows.add(row("3"));
    var gathered = rows.end();
    assertThat(gathered.split()).isTrue();
    var all = new ArrayList<List<@Nullable String>>();
    var piece = new StringBuilder();
    for (var chunk : topic.chunks()) {
      assertThat(chunk.write().length).isLessThan((1 << 20) + 300);
      var whole = chunk.rows();
      if (whole != null) {
        all.addAll(whole);
        continue;
      }
      piece.append(chunk.piece());
      if (Boolean.TRUE.equals(chunk.ends())) {
        var json = new ObjectMapper().readTree(piece.toString()).get(0);
        all.add(
            Arrays.asList(
                json.get(0).asText(), json.get(1).isNull() ? null : json.get(1).asText()));
      }
    }
    assertThat(all)
        .containsExactly(
            List.of("1"), List.of(large), List.of("2"), Arrays.asList(huge, null), List.of("3"));
  }

  /// Acknowledges when it is told to.
  private static final class SlowTopic implements ResultsTopic {
    private final Deque<CompletableFuture<Void>> open = new ArrayDeque<>();
    private final List<SqlRows> begun = Collections.synchronizedList(new ArrayList<>());

    @Override
    public synchronized Future<?> begin(long id, byte[] rows) {
      begun.add(SqlRows.read(rows));
      var future = new CompletableFuture<Void>();
      open.add(future);
      return future;
    }

    private synchronized @Nullable CompletableFuture<Void> next() {
      return open.poll();
    }

    @Override
    public void publish(SqlResult result) {}

    @Override
    public void publish(long id, String json) {}
  }

  @Test
  void onlySoManyChunksAreOnTheirWayAndNoneIsForgotten() throws Exception {
    var slow = new SlowTopic();
    var rows = gather(1 << 20, slow);
    var thread =
        Thread.ofVirtual()
            .start(() -> {
              try {
                for (int i = 0; i < 100; i++) {
                  rows.add(row("y".repeat(1_000_000)));
                }
                rows.end();
              } catch (SQLException | InterruptedException | StoppedException e) {
                throw new IllegalStateException(e);
              }
            });
    var faults = 0;
    var acknowledged = 0;
    while (thread.isAlive()) {
      assertThat(slow.begun.size() - acknowledged).isLessThanOrEqualTo(2 + faults);
      var next = slow.next();
      if (next == null) {
        thread.join(Duration.ofMillis(1));
      } else if (acknowledged == 10 && faults == 0) {
        faults++;
        next.completeExceptionally(new IllegalStateException("not taken"));
      } else {
        acknowledged++;
        next.complete(null);
      }
    }
    assertThat(slow.begun).hasSize(101);
    assertThat(slow.begun.stream().map(SqlRows::number).collect(Collectors.toSet())).hasSize(100);
  }

  /// Keeps what it stores, once it is told to.
  private static final class TestStore implements RowStore {
    private record Chunk(int number, List<String> columns, @Nullable Boolean ends) {}

    private final List<Chunk> chunks = Collections.synchronizedList(new ArrayList<>());
    private final Semaphore mayStore = new Semaphore(Integer.MAX_VALUE);
    private volatile @Nullable SQLException refusal;

    @Override
    public void store(int number, List<String> columns, @Nullable Boolean ends)
        throws SQLException, InterruptedException {
      mayStore.acquire();
      var refused = refusal;
      if (refused != null) {
        throw refused;
      }
      chunks.add(new Chunk(number, columns, ends));
    }
  }

  @Test
  void rowsOfChunksAreStoredByColumns() throws Exception {
    var rows = gather(4096, topic);
    var long1 = "x".repeat(3000);
    rows.add(row("1", null, "a \"quoted\" \\ text,\n{}"));
    rows.add(row(long1, "", "NULL"));
    rows.add(row(long1, "é😀", null));
    var gathered = rows.end();
    assertThat(gathered.chunks()).isEqualTo(2);
    assertThat(gathered.stored()).isEqualTo(1);
    assertThat(stored.chunks)
        .containsExactly(
            new TestStore.Chunk(
                1,
                List.of(
                    "{\"1\",\"" + long1 + "\",\"" + long1 + "\"}",
                    "{NULL,\"\",\"é😀\"}",
                    "{\"a \\\"quoted\\\" \\\\ text,\n{}\",\"NULL\",NULL}"),
                null));
  }

  @Test
  void rowsWithoutColumnsAreStoredAsSoMany() throws Exception {
    var rows = gather(4096, topic);
    for (int i = 0; i < 2000; i++) {
      rows.add(row());
    }
    assertThat(rows.end().stored()).isEqualTo(1);
    assertThat(stored.chunks.getFirst().columns())
        .containsExactly("{" + "NULL,".repeat(1999) + "NULL}");
  }

  @Test
  void aRowLargerThanAChunkIsStoredInPiecesBetweenCharacters() throws Exception {
    var rows = gather(4096, topic);
    var huge = "a" + "😀\"".repeat(600_000);
    rows.add(row("1", "2"));
    rows.add(row(huge, null));
    rows.add(row("3", "4"));
    var gathered = rows.end();
    assertThat(gathered.stored()).isEqualTo(stored.chunks.size()).isGreaterThan(5);
    assertThat(stored.chunks).extracting(TestStore.Chunk::number).isSorted();
    assertThat(stored.chunks.getFirst().columns()).containsExactly("{\"1\"}", "{\"2\"}");
    assertThat(stored.chunks.getLast().columns()).containsExactly("{\"3\"}", "{\"4\"}");
    var pieces = stored.chunks.subList(1, stored.chunks.size() - 1);
    assertThat(pieces)
        .allSatisfy(piece -> assertThat(piece.columns().getFirst()).hasSizeLessThan(1 << 20));
    assertThat(pieces.stream().map(TestStore.Chunk::ends))
        .containsOnlyOnce(true)
        .endsWith(true)
        .doesNotContainNull();
    assertThat(
            pieces.stream().map(piece -> piece.columns().getFirst()).collect(Collectors.joining()))
        .isEqualTo("{\"" + huge.replace("\"", "\\\"") + "\",NULL}");
  }

  @Test
  void onlySoMuchWaitsForTheDatabaseAndWhatItRefusesEndsTheTask() throws Exception {
    stored.mayStore.drainPermits();
    var rows = gather(1 << 20, topic);
    var taken = new AtomicInteger();
    var adding =
        CompletableFuture.runAsync(() -> {
          try {
            for (int i = 0; i < 100; i++) {
              rows.add(row("y".repeat(1_000_000)));
              taken.incrementAndGet();
            }
          } catch (SQLException | InterruptedException | StoppedException e) {
            throw new CompletionException(e);
          }
        });
    Awaitility.await().until(() -> taken.get() >= 3);
    stored.mayStore.release(10);
    Awaitility.await().until(() -> stored.chunks.size() == 10);
    assertThat(taken.get()).isLessThan(20);
    stored.refusal = new SQLException("taken over", "PO002");
    stored.mayStore.release();
    assertThatThrownBy(adding::join).hasCause(stored.refusal);
    assertThat(stored.chunks).hasSize(10);
  }

  @Test
  void waitingForTheDatabaseEndsWhenTheTaskIsToStop() throws Exception {
    stored.mayStore.drainPermits();
    var rows = gather(4096, topic);
    for (int i = 0; i < 5; i++) {
      rows.add(row("z".repeat(4000)));
    }
    var ending =
        CompletableFuture.runAsync(() -> {
          try {
            rows.end();
          } catch (SQLException | InterruptedException | StoppedException e) {
            throw new CompletionException(e);
          }
        });
    Awaitility.await().until(() -> stored.mayStore.hasQueuedThreads());
    running.stop(RunningTask.Stop.CANCELLED);
    assertThatThrownBy(ending::join).hasCauseInstanceOf(StoppedException.class);
    rows.close();
    Awaitility.await().until(() -> !stored.mayStore.hasQueuedThreads());
    assertThat(stored.chunks).isEmpty();
  }

  @Test
  void waitingForTheTopicEndsWhenTheTaskIsToStop() throws Exception {
    var rows = gather(4096, new SlowTopic());
    for (int i = 0; i < 5; i++) {
      rows.add(row("z".repeat(4000)));
    }
    running.stop(RunningTask.Stop.CANCELLED);
    assertThatThrownBy(rows::end).isInstanceOf(StoppedException.class);
  }
}
