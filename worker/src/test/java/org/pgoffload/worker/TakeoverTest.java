package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.llm.LlmProviders;

/// What a worker finds that another has left, while no results application writes anything back.
final class TakeoverTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static TestInstallation installation;

  @BeforeAll
  static void install() throws SQLException {
    installation = TestInstallation.start();
  }

  @AfterAll
  static void end() {
    installation.close();
  }

  @BeforeEach
  void emptyTopics() {
    installation.newTopics(3);
  }

  @Test
  void aPublishedResultIsNotCalledForAgain() throws Exception {
    long id = installation.ask("why?");
    answeredByOneThatDies(1);
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
      assertThat(
              installation.query("select max(attempt) from pgoffload.execution where id = " + id))
          .isEqualTo("2");
    }
    assertThat(next.calls()).isZero();
    assertThat(installation.answeredIds()).containsExactly(id);
  }

  @Test
  void manyAreTakenOverTogetherAndThoseWithoutAResultAreCalledFor() throws Exception {
    var answered = installation.askMany(300);
    answeredByOneThatDies(300);
    installation.commitResults();
    installation.writeBack();
    installation.publishResultsOfOthers(1000);
    // begun by the same one, which did not come to their results
    var left = installation.askMany(50);
    for (long id : left) {
      claimAsTheDead(id);
    }
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 350);
    }
    assertThat(next.calls()).isEqualTo(50);
    assertThat(installation.answeredIds()).containsAll(answered).containsAll(left).hasSize(1350);
  }

  @Test
  void aLongLagOfTheResultsStopsNobodyElse() throws Exception {
    installation.publishResultsOfOthers(20_000);
    var taken = installation.askMany(20);
    answeredByOneThatDies(20);
    var next = new FakeProvider();
    try (var _ = start("next", next)) {
      long fresh = installation.ask("fresh");
      await().atMost(PATIENCE).until(() -> next.calls(fresh) == 1);
      await().atMost(PATIENCE).until(() -> installation.committed() == 21);
    }
    assertThat(next.calls()).isEqualTo(1);
    assertThat(installation.answeredIds()).containsAll(taken).hasSize(20_021);
  }

  @Test
  void aCancellationDoesNotEndWhatHasItsAnswer() throws Exception {
    long id = installation.askAtOnce("ask", "{\"prompt\": \"why?\"}");
    answeredByOneThatDies(1);
    installation.cancel(id);
    try (var _ = start("next", new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.committed() == 1);
    }
    assertThat(installation.results())
        .singleElement()
        .extracting(Result::status)
        .isEqualTo(Result.SUCCEEDED);
  }

  /// Answers everything, and leaves neither its lease nor what it had committed.
  private static void answeredByOneThatDies(int count) throws Exception {
    int before = installation.answeredIds().size();
    try (var _ = start("dies", new FakeProvider())) {
      await().atMost(PATIENCE).until(() -> installation.answeredIds().size() == before + count);
    }
    installation.forgetCommitted("llm");
  }

  private static void claimAsTheDead(long id) throws SQLException {
    installation.execute(
        "insert into pgoffload.execution (id, attempt, worker, epoch, requested_by_oid) values ("
            + id
            + ", 1, 'dies', 1, 10)");
  }

  private static WorkerApp start(String name, FakeProvider provider) {
    return WorkerApp.start(installation.configuration(name), LlmProviders.of(provider));
  }
}
