package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Of those that ask the same, one makes the call.
final class LlmCacheTest extends OnPostgresVersions {
  private static final String AGES = "1000 years";

  private PlayedWorker first;
  private PlayedWorker second;

  @BeforeEach
  void startWorkers() {
    // they renew no lease, and a busy machine must not let it run out
    database
        .admin()
        .run("update pgoffload.setting set value = '1 hour' where name = 'worker_dead_after'");
    database.admin().run("delete from pgoffload.llm_cache");
    first = closedAfterTheTest(database.worker("first"));
    second = closedAfterTheTest(database.worker("second"));
  }

  @Test
  void letsOneLeadAndTheOthersFollowUntilItsAnswerIsThere() {
    var leader = claimed(first, "app");
    var follower = claimed(second, "app");
    assertThat(first.consult(leader, "k", AGES)).isEqualTo("lead|" + leader);
    assertThat(first.consult(leader, "k", AGES)).isEqualTo("lead|" + leader);
    assertThat(second.consult(follower, "k", AGES)).isEqualTo("follow|" + leader);
    assertThat(second.consult(follower, "another key", AGES)).isEqualTo("lead|" + follower);
    database.record(database.answered(leader, "app", "a"));
    assertThat(second.consult(claimed(second, "app"), "k", AGES)).isEqualTo("hit|" + leader);
    assertThat(second.cachedAnswer(claimed(second, "app"), "k", AGES)).isEqualTo("a");
  }

  @Test
  void givesAnAnswerAsItStandsInItsTable() {
    var leader = claimed(first, "app");
    first.consult(leader, "k", AGES);
    database.record(database.embedded(leader, "app", new float[] {1, 0.1f}, new float[] {2, 3}));
    assertThat(
            second
                .session()
                .rows(
                    """
                    select result ->> 'status', result ->> 'kind', result ->> 'embeddings', result ->> 'model',
                           result ->> 'input_tokens', result ->> 'finished_at'
                    from pgoffload.consult_cache('second', ?, ?, sha256('k'), '1000 years')
                    """,
                    second.epoch(),
                    claimed(second, "app")))
        .containsExactly(
            "succeeded|embed|[[1, 0.1], [2, 3]]|echo-1|12|2026-01-02T03:04:05.6+00:00");
  }

  @Test
  void hasAnAnswerThatIsTooOldAskedForAgain() {
    var leader = claimed(first, "app");
    first.consult(leader, "k", AGES);
    database.record(database.answered(leader, "app", "a")); // in January 2026
    var later = claimed(second, "app");
    assertThat(second.consult(later, "k", "1 h")).isEqualTo("lead|" + later);
    var last = claimed(first, "app");
    assertThat(first.consult(last, "k", "1 h")).isEqualTo("follow|" + later);
  }

  @Test
  void letsTheNextLeadWhenTheLeaderFails() {
    for (var status : new String[] {"failed", "cancelled", "expired"}) {
      var leader = claimed(first, "app");
      var follower = claimed(second, "app");
      assertThat(first.consult(leader, status, AGES)).isEqualTo("lead|" + leader);
      database.record(database.ended(leader, "app", status, "c", "m"));
      assertThat(second.consult(follower, status, AGES)).isEqualTo("lead|" + follower);
    }
  }

  @Test
  void letsTheNextLeadWhenTheLeadersWorkerIsDead() {
    var leader = claimed(first, "app");
    var follower = claimed(second, "app");
    first.consult(leader, "k", AGES);
    first.releaseLease();
    assertThat(second.consult(follower, "k", AGES)).isEqualTo("lead|" + follower);
    assertThat(
            first
                .session()
                .refused(
                    "select pgoffload.consult_cache('first', ?, ?, sha256('k'), '1 h')",
                    first.epoch(),
                    leader)
                .state())
        .isEqualTo("PO001");
  }

  @Test
  void letsTheLeaderLeadOnWithAnotherWorker() {
    database.inserted("app");
    var request = database.onlySent();
    var follower = claimed(second, "app");
    first.claim(request);
    first.consult(request.id(), "k", AGES);
    first.releaseLease();
    assertThat(second.claim(request)).containsExactly("claimed|2");
    assertThat(second.consult(request.id(), "k", AGES)).isEqualTo("lead|" + request.id());
    assertThat(second.consult(follower, "k", AGES)).isEqualTo("follow|" + request.id());
  }

  @Test
  void letsOneOfTwoLeadThatAskAtTheSameMoment() {
    var one = claimed(first, "app");
    var two = claimed(second, "app");
    first.session().run("begin");
    assertThat(first.consult(one, "k", AGES)).isEqualTo("lead|" + one);
    var other = CompletableFuture.supplyAsync(() -> second.consult(two, "k", AGES));
    Awaitility.await()
        .until(
            () -> database.admin().number("select count(*) from pg_locks where not granted") > 0);
    first.session().run("commit");
    assertThat(other.join()).isEqualTo("follow|" + one);
  }

  @Test
  void sharesAnswersWithinARoleAndAcrossRolesWhereTheSettingAllowsIt() {
    var own = claimed(first, "app");
    first.consult(own, "k", AGES);
    database.record(database.answered(own, "app", "app's"));
    var foreign = claimed(second, "mallory");
    assertThat(second.consult(foreign, "k", AGES)).isEqualTo("lead|" + foreign);
    database.record(database.answered(foreign, "mallory", "mallory's"));
    database
        .admin()
        .run("update pgoffload.setting set value = 'on' where name = 'cache_across_roles'");
    try {
      // what was answered while it was off stays its role's
      var everybodys = claimed(first, "app");
      assertThat(first.consult(everybodys, "k", AGES)).isEqualTo("lead|" + everybodys);
      database.record(database.answered(everybodys, "app", "everybody's"));
      assertThat(second.cachedAnswer(claimed(second, "mallory"), "k", AGES))
          .isEqualTo("everybody's");
    } finally {
      database
          .admin()
          .run("update pgoffload.setting set value = 'off' where name = 'cache_across_roles'");
    }
    assertThat(second.cachedAnswer(claimed(second, "mallory"), "k", AGES)).isEqualTo("mallory's");
  }

  @Test
  void showsThatAnAnswerWasCached() {
    var id = database.inserted("app");
    database.record(database.cached(id, "app", "a", 1));
    try (var app = database.open("app")) {
      assertThat(app.rows("select answer, cached, calls, cost from llm_response(?)", id))
          .containsExactly("a|t|[]|0");
    }
  }

  @Test
  void refusesARequestThatNobodyHasClaimed() {
    var id = database.inserted("app");
    assertThat(
            first
                .session()
                .refused(
                    "select pgoffload.consult_cache('first', ?, ?, sha256('k'), '1 h')",
                    first.epoch(),
                    id)
                .state())
        .isEqualTo("55000");
  }

  private long claimed(PlayedWorker worker, String role) {
    database.sent();
    var id = database.inserted(role);
    assertThat(worker.claim(database.onlySent())).containsExactly("claimed|1");
    return id;
  }
}
