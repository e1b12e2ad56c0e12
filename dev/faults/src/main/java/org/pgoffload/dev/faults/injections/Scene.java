package org.pgoffload.dev.faults.injections;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.pgoffload.dev.faults.books.Journal;
import org.pgoffload.dev.faults.books.ReadTables;
import org.pgoffload.dev.faults.books.Recovery;
import org.pgoffload.dev.faults.books.Survivors;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.Installation;
import org.pgoffload.dev.faults.installation.Part;
import org.pgoffload.dev.faults.installation.Sql;
import org.pgoffload.dev.faults.installation.Tag;

/// Where a fault happens: the installation under load, and what has to be known of the fault
/// afterwards. For the thread that injects.
public final class Scene {
  /// A result is published, and an answered call out of danger, long before this.
  private static final Duration LATELY = Duration.ofSeconds(1);

  private final Installation installation;
  private final Journal journal;
  private final Random random;
  private final int requests;
  private final List<Recovery> recoveries = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final List<String> problems = new ArrayList<>();
  private final AtomicInteger repeatable = new AtomicInteger();
  private Survivors survivors = Survivors.ALL;

  public Scene(Installation installation, Journal journal, Random random, int requests) {
    this.installation = installation;
    this.journal = journal;
    this.random = random;
    this.requests = requests;
  }

  Installation installation() {
    return installation;
  }

  Random random() {
    return random;
  }

  public Journal journal() {
    return journal;
  }

  /// How many requests the load has.
  int requests() {
    return requests;
  }

  /// Says something for the report.
  void note(String words) {
    notes.add(words);
  }

  /// Notes the share of a processor that each part takes during this time.
  void noteProcessor(Duration time) {
    var parts = installation.parts();
    var before = parts.stream().map(each -> each.process().processorTime()).toList();
    pause(time);
    var shares = new ArrayList<String>();
    for (int i = 0; i < parts.size(); i++) {
      var taken = parts.get(i).process().processorTime().minus(before.get(i));
      shares.add(
          "%s %.2f".formatted(parts.get(i).name(), (double) taken.toMillis() / time.toMillis()));
    }
    note("of a processor meanwhile: " + String.join(", ", shares));
  }

  /// Notes a problem that the books do not show.
  void problem(String words) {
    problems.add(words);
  }

  public List<String> problems() {
    return List.copyOf(problems);
  }

  public List<String> notes() {
    return List.copyOf(notes);
  }

  public List<Recovery> recoveries() {
    return List.copyOf(recoveries);
  }

  /// How many calls may be answered in vain.
  public int repeatable() {
    return repeatable.get();
  }

  /// Ends somebody who makes calls, or on whom they depend: those under way may have to be
  /// repeated.
  void endWithCalls(Runnable end) {
    endWithCalls(end, Set::of);
  }

  private void endWithCalls(Runnable end, Supplier<Set<Tag>> others) {
    var ledger = installation.stub().ledger();
    var underWay = new HashSet<>(ledger.underWay(LATELY));
    end.run();
    underWay.addAll(ledger.underWay(LATELY)); // what has begun before the end came
    underWay.addAll(others.get());
    repeatable.addAndGet(underWay.size());
  }

  /// The prompts that a worker has claimed and not answered.
  private Set<Tag> claimedBy(Part worker) {
    try {
      return query(
              """
              select q.prompt from pgoffload.claim e join llm_request q on q.id = e.id
              where e.worker = '%s'
                and not exists (select from pgoffload.llm_result r where r.id = e.id)\
              """
                  .formatted(worker.identity()))
          .stream()
          .flatMap(prompt -> Tag.in(prompt).stream())
          .collect(Collectors.toSet());
    } catch (SQLException e) {
      throw new FaultsException("the claims of a worker cannot be read", e);
    }
  }

  /// SIGKILL of a worker, whose claims another one has to take over.
  void killWorker(Part worker) {
    awaitBusy(worker);
    killWorkerAtOnce(worker);
  }

  /// The same, whether or not it has claimed something that others can see.
  void killWorkerAtOnce(Part worker) {
    var killed = Instant.now();
    endWithCalls(worker::kill);
    recoveries.add(new Recovery.Takeover(worker.identity(), killed));
  }

  /// SIGSTOP of a worker, which counts as its death once its lease is over.
  void stopWorker(Part worker) {
    awaitBusy(worker);
    var stopped = Instant.now();
    // when it wakes up it may call for its claimed requests, before it learns that it counts as
    // dead
    endWithCalls(worker.process()::freeze, () -> claimedBy(worker));
    recoveries.add(new Recovery.Takeover(worker.identity(), stopped));
  }

  /// Waits until a worker has claimed what it has not answered yet, for some seconds at most.
  private void awaitBusy(Part worker) {
    try (var connection = installation.admin().connect("faults")) {
      boolean busy =
          Await.comes(
              () -> {
                try {
                  return unanswered(connection, worker) > 0;
                } catch (SQLException e) {
                  return true;
                }
              },
              Duration.ofSeconds(10));
      if (!busy) {
        note(worker.name() + " was idle");
      }
    } catch (SQLException e) {
      note("the database could not be asked before " + worker.name() + " was ended");
    }
  }

  private static long unanswered(Connection connection, Part worker) throws SQLException {
    return Sql.number(
        connection,
        """
        select count(*) from pgoffload.claim e
        where e.worker = '%s'
          and not exists (select from pgoffload.llm_result r where r.id = e.id)
          and not exists (select from pgoffload.sql_result r where r.id = e.id)
        """
            .formatted(worker.identity()));
  }

  /// What a standby had when it took over.
  public Survivors survivors() {
    return survivors;
  }

  /// Lets the standby take the place of the primary, which is gone, with everything that it had.
  void promote() {
    measureRecovery("promotion");
    installation.servers().databases().promote();
  }

  /// The same, for a standby that may lack what came last.
  void promoteWithLoss() throws SQLException {
    int asked = journal.size();
    promote();
    survivors =
        new Survivors(
            asked, new ReadTables(installation::admin, journal.run(), 0).read().numbers());
  }

  /// Measures from now until the first request that is asked after now has its result.
  void measureRecovery(String what) {
    var recovery = Recovery.Answer.measure(what, installation::application, journal);
    recoveries.add(recovery);
  }

  /// Waits until the last recovery that was measured has come, or for a minute.
  void awaitRecovery() {
    recoveries.getLast().await();
  }

  public void pause(Duration duration) {
    Await.pause(duration);
  }

  /// Some time between the two.
  public void pause(Duration least, Duration most) {
    Await.pause(least.plusMillis(random.nextLong(most.minus(least).toMillis() + 1)));
  }

  /// One of the workers.
  Part someWorker() {
    var workers = installation.workers();
    return workers.get(random.nextInt(workers.size()));
  }

  /// Runs a command as the superuser.
  void execute(String sql) throws SQLException {
    try (var connection = installation.admin().connect("faults")) {
      Sql.execute(connection, sql);
    }
  }

  /// Asks as the superuser.
  List<String> query(String sql) throws SQLException {
    try (var connection = installation.admin().connect("faults")) {
      return Sql.query(connection, sql);
    }
  }
}
