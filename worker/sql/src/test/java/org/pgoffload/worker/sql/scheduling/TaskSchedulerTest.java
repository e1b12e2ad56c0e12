package org.pgoffload.worker.sql.scheduling;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.delivery.scheduling.Pauses;
import org.pgoffload.worker.sql.TestTasks;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.SqlTask;

final class TaskSchedulerTest {
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

  private final TaskScheduler choose = new TaskScheduler(limits(4, 2));

  private static SqlLimits limits(int connections, int perRole) {
    return new SqlLimits(connections, perRole, Duration.ofSeconds(60));
  }

  private static SqlTask of(long id, long role) {
    return TestTasks.task(id, role, "select 1", 65_536);
  }

  private static SqlTask task(long id, long role, SqlTask.Scheduling scheduling) {
    return TestTasks.with(of(id, role), scheduling);
  }

  private static SqlTask keyed(long id, long role, String orderingKey) {
    return task(id, role, new SqlTask.Scheduling(null, null, 0, orderingKey));
  }

  /// One of a session that runs one at a time.
  private static SqlTask alone(long id, String session, int depth) {
    return task(id, 10, new SqlTask.Scheduling(session, 1, depth, null));
  }

  private List<Long> chosen() {
    return choose.choose(100, NOW);
  }

  private void add(SqlTask... tasks) {
    for (var task : tasks) {
      choose.add(task);
    }
  }

  @Test
  void theEarliestBeginWithinTheLimits() {
    add(of(1, 10), of(2, 10), of(3, 10), of(4, 11), of(5, 12), of(6, 13));
    assertThat(chosen()).containsExactly(1L, 2L, 4L, 5L);
    assertThat(chosen()).isEmpty();
    choose.finished(2);
    assertThat(chosen()).containsExactly(3L);
    choose.finished(4);
    assertThat(chosen()).containsExactly(6L);
    assertThat(choose.hasWaiting()).isFalse();
  }

  @Test
  void tellsWhatWaitsForWhichLimit() {
    add(of(1, 10), of(2, 10), of(3, 10), alone(4, "s", 0), of(5, 12));
    add(task(6, 11, new SqlTask.Scheduling("s", 1, 0, null)));
    add(task(7, 11, new SqlTask.Scheduling("s", 1, 0, null)));
    assertThat(chosen()).containsExactly(1L, 2L, 5L, 6L);
    var told = JsonNodeFactory.instance.objectNode();
    choose.tell(told);
    assertThat(told.path("waiting").asInt()).isEqualTo(3);
    assertThat(told.path("connections").asInt()).isEqualTo(4);
    assertThat(told.path("per_role").asInt()).isEqualTo(2);
    assertThat(told.path("sessions").toString())
        .contains("\"0/11/s\":[1,1,1]", "\"0/10/s\":[1,0,1]", "\"0/10/\":[1,2,");
    assertThat(told.path("roles").toString()).isEqualTo("{\"0/10\":[2,2],\"0/11\":[1,1]}");
    assertThat(told.path("depths").toString()).isEqualTo("{\"0\":[3,4]}");
  }

  @Test
  void noMoreAreChosenThanAreAskedFor() {
    add(of(1, 10), of(2, 11), of(3, 12));
    assertThat(choose.choose(2, NOW)).containsExactly(1L, 2L);
    assertThat(choose.choose(0, NOW)).isEmpty();
    assertThat(chosen()).containsExactly(3L);
  }

  @Test
  void aSessionRunsAsManyAsItMayAndStopsNoOtherOfItsRole() {
    add(alone(1, "s", 0), alone(2, "s", 0), alone(3, "t", 0));
    assertThat(chosen()).containsExactly(1L, 3L);
    choose.finished(3);
    assertThat(chosen()).isEmpty();
    choose.finished(1);
    assertThat(chosen()).containsExactly(2L);
  }

  @Test
  void whatATaskLaunchesHasPlacesOfItsOwn() {
    add(of(1, 10), of(2, 10), of(3, 11), of(4, 11));
    assertThat(chosen()).hasSize(4);
    add(alone(5, "s", 1), of(6, 12), alone(7, "s", 2));
    assertThat(chosen()).containsExactly(5L, 7L);
  }

  @Test
  void requestsOfOneKeyRunOneAfterAnotherWhateverTheirState() {
    add(keyed(1, 10, "a"), keyed(2, 11, "a"), keyed(3, 12, "b"), keyed(4, 13, "a"));
    assertThat(chosen()).containsExactly(1L, 3L);
    choose.held(1);
    assertThat(chosen()).isEmpty();
    choose.running(1);
    assertThat(chosen()).isEmpty();
    choose.finished(1);
    assertThat(chosen()).containsExactly(2L);
    choose.finished(2);
    assertThat(chosen()).containsExactly(4L);
  }

  @Test
  void oneInTheMiddleOfAKeyMayEndFirst() {
    add(keyed(1, 10, "a"), keyed(2, 10, "a"), keyed(3, 10, "a"));
    assertThat(chosen()).containsExactly(1L);
    choose.end(2);
    assertThat(chosen()).containsExactly(2L);
    choose.finished(2);
    assertThat(chosen()).isEmpty();
    choose.finished(1);
    assertThat(chosen()).containsExactly(3L);
  }

  @Test
  void whatIsCancelledOrExpiredIsChosenThoughNoPlaceIsFree() {
    add(of(1, 10), of(2, 10), of(3, 10), TestTasks.until(NOW.plusSeconds(1), of(4, 10)));
    assertThat(chosen()).containsExactly(1L, 2L);
    choose.end(3);
    assertThat(chosen()).containsExactly(3L);
    assertThat(choose.choose(100, NOW.plusSeconds(1))).containsExactly(4L);
    choose.finished(3);
    choose.finished(4);
    add(of(5, 10));
    assertThat(chosen()).isEmpty();
  }

  @Test
  void whatIsCancelledOrExpiresWhileItIsChosenEndsOnceItIsPutBack() {
    add(of(1, 10), TestTasks.until(NOW.plusSeconds(1), of(2, 10)), of(3, 10), of(4, 10));
    assertThat(chosen()).containsExactly(1L, 2L);
    choose.end(1);
    assertThat(choose.choose(0, NOW.plusSeconds(1))).isEmpty();
    choose.putBack(1);
    choose.putBack(2);
    choose.running(3);
    choose.running(4);
    assertThat(chosen()).containsExactly(1L, 2L);
  }

  @Test
  void whatCouldNotBeClaimedKeepsItsPlaceInTheOrder() {
    add(of(1, 10), of(2, 10), of(3, 10));
    choose.end(3);
    assertThat(chosen()).containsExactly(3L, 1L);
    choose.putBack(1);
    choose.putBack(3);
    assertThat(choose.hasWaiting()).isTrue();
    assertThat(chosen()).containsExactly(3L, 1L);
    choose.finished(3);
    assertThat(chosen()).containsExactly(2L);
  }

  @Test
  void whatOthersHoldTakesNoPlaceUntilItIsTakenOver() {
    add(of(1, 10), of(2, 10), of(3, 10), of(4, 10));
    assertThat(chosen()).containsExactly(1L, 2L);
    choose.held(1);
    assertThat(chosen()).containsExactly(3L);
    // its holder is dead: it runs here, above the limit
    choose.running(1);
    choose.finished(2);
    assertThat(chosen()).isEmpty();
    choose.finished(3);
    assertThat(chosen()).containsExactly(4L);
  }

  @Test
  void tenThousandThatWaitCostNoMoreThanOne() {
    var many = new TaskScheduler(limits(32, 16));
    for (int i = 0; i < 20_000; i++) {
      many.add(
          TestTasks.until(
              NOW.plusSeconds(i),
              task(
                  i + 1,
                  i % 2,
                  new SqlTask.Scheduling("s" + i % 5000, 1, 0, i % 3 == 0 ? "k" + i % 7 : null))));
    }
    int ended = 0;
    var begun = System.nanoTime();
    while (many.hasWaiting()) {
      var chosen = many.choose(8, NOW);
      chosen.forEach(many::finished);
      ended += chosen.size();
    }
    assertThat(ended).isEqualTo(20_000);
    assertThat(Duration.ofNanos(System.nanoTime() - begun)).isLessThan(Duration.ofSeconds(30));
  }

  /// Against a slow model that looks at everything.
  @Test
  void agreesWithASimpleModelWhateverTheOrder() {
    var random = new Random(42);
    for (int round = 0; round < 200; round++) {
      var tested = new TaskScheduler(limits(5, 3));
      var model = new Model();
      for (int step = 0, id = 0; step < 150; step++) {
        switch (random.nextInt(6)) {
          case 0, 1, 2 -> {
            var key = random.nextInt(3) == 0 ? "k" + random.nextInt(3) : null;
            var session = random.nextBoolean() ? "s" + random.nextInt(3) : null;
            var task =
                task(
                    ++id,
                    random.nextInt(3),
                    new SqlTask.Scheduling(session, 1 + random.nextInt(2), random.nextInt(2), key));
            tested.add(task);
            model.waiting.put(task.id(), task);
          }
          case 3 -> {
            int atMost = random.nextInt(4);
            assertThat(tested.choose(atMost, NOW)).isEqualTo(model.choose(atMost));
          }
          case 4 ->
              model
                  .anyRunning(random)
                  .ifPresent(running -> {
                    tested.finished(running);
                    model.running.remove(running);
                  });
          default ->
              model
                  .anyRunning(random)
                  .ifPresent(running -> {
                    tested.putBack(running);
                    model.waiting.put(running, model.running.remove(running));
                  });
        }
      }
    }
  }

  private static final class Model {
    private final TreeMap<Long, SqlTask> waiting = new TreeMap<>();
    private final TreeMap<Long, SqlTask> running = new TreeMap<>();

    private Optional<Long> anyRunning(Random random) {
      return running.isEmpty()
          ? Optional.empty()
          : running.keySet().stream().skip(random.nextInt(running.size())).findFirst();
    }

    private List<Long> choose(int atMost) {
      var chosen = new ArrayList<Long>();
      while (chosen.size() < atMost) {
        var next = next();
        if (next == null) {
          break;
        }
        waiting.remove(next.id());
        running.put(next.id(), next);
        chosen.add(next.id());
      }
      return chosen;
    }

    private @Nullable SqlTask next() {
      Map<String, Integer> taken = new HashMap<>();
      Set<String> keys = new HashSet<>();
      for (var task : running.values()) {
        taken.merge(depth(task), 1, Integer::sum);
        taken.merge(role(task), 1, Integer::sum);
        taken.merge(session(task), 1, Integer::sum);
      }
      var blockedSessions = new HashSet<String>();
      for (var task : waiting.values()) {
        var scheduling = task.scheduling();
        var key = scheduling.orderingKey();
        boolean first =
            key == null
                || (keys.add(key)
                    && running.values().stream()
                        .noneMatch(other -> key.equals(other.scheduling().orderingKey())));
        if (!first || blockedSessions.contains(session(task))) {
          continue;
        }
        int most =
            scheduling.session() == null
                ? Integer.MAX_VALUE
                : Objects.requireNonNullElse(scheduling.maxWorkers(), Integer.MAX_VALUE);
        if (taken.getOrDefault(session(task), 0) >= most) {
          // the first of a session that may not begin keeps the others of it waiting
          blockedSessions.add(session(task));
          continue;
        }
        if (taken.getOrDefault(depth(task), 0) < 5 && taken.getOrDefault(role(task), 0) < 3) {
          return task;
        }
      }
      return null;
    }

    private static String depth(SqlTask task) {
      return "d" + task.scheduling().depth();
    }

    private static String role(SqlTask task) {
      return "r" + task.scheduling().depth() + "/" + task.launcher().userOid();
    }

    private static String session(SqlTask task) {
      return "s" + role(task) + "/" + task.scheduling().session();
    }
  }

  @Test
  void aPausedRoleBeginsNothingAndTakesNoPlace() {
    choose.pause(new Pauses(List.of(new Pauses.Pause(null, null, 10L))));
    add(of(1, 10), of(2, 10), of(3, 11), of(4, 12), of(5, 12), of(6, 13));
    assertThat(chosen()).containsExactly(3L, 4L, 5L, 6L);
    choose.finished(3);
    assertThat(chosen()).isEmpty();
    choose.pause(Pauses.NONE);
    assertThat(chosen()).containsExactly(1L);
  }
}
