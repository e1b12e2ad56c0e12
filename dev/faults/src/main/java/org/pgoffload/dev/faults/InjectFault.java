package org.pgoffload.dev.faults;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.dev.faults.books.Balance;
import org.pgoffload.dev.faults.books.CheckBooks;
import org.pgoffload.dev.faults.books.Found;
import org.pgoffload.dev.faults.books.Journal;
import org.pgoffload.dev.faults.books.Load;
import org.pgoffload.dev.faults.books.Mix;
import org.pgoffload.dev.faults.books.ReadTables;
import org.pgoffload.dev.faults.books.ReadTopic;
import org.pgoffload.dev.faults.books.Recovery;
import org.pgoffload.dev.faults.injections.Fault;
import org.pgoffload.dev.faults.injections.Scene;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.Installation;
import org.pgoffload.dev.faults.installation.Sql;

/// One run: load, fault, healing, books.
///
/// @param installation healthy
/// @param requests of the load
/// @param random of the load and the fault
record InjectFault(Installation installation, int requests, Random random) {
  /// From the healing on; what has no result by then is lost.
  private static final Duration PATIENCE = Duration.ofSeconds(90);

  private static final Duration LOAD_PATIENCE = Duration.ofMinutes(3);

  /// Of immediate callers, which may never get an answer.
  private static final Duration SHORT_PATIENCE = Duration.ofSeconds(15);

  private static final Duration PAUSE = Duration.ofMillis(250);

  /// So many requests a second, at most, are asked: what two cores bear that run everything at
  /// once, so that a recovery is not the time of a queue.
  private static final int RATE = 150;

  FaultOutcome run(Fault fault, String run) throws SQLException {
    installation.startPartsWith(
        fault.needs().contains(Fault.Need.LINKS),
        fault.needs().contains(Fault.Need.LOAD_OF_ITS_OWN)
            ? Installation.LONG_CALLS
            : Installation.SHORT_CALLS);
    installation.heal();
    var journal = new Journal(run);
    var scene = new Scene(installation, journal, random, requests);
    var reading = new ReadTables(installation::admin, run, lastId());
    var topics = installation.topics();
    try (var results = fromEnd(topics.results());
        var llm = fromEnd(topics.llmRequests());
        var sql = fromEnd(topics.sqlRequests())) {
      var sent = new HashSet<Integer>();
      var problems = new ArrayList<String>();
      var spread = spread(fault);
      var load =
          Load.start(
              installation::application,
              journal,
              Mix.of(fault.needs().contains(Fault.Need.LOAD_OF_ITS_OWN) ? requests / 10 : requests),
              spread,
              mayRefuse(fault) ? SHORT_PATIENCE : Duration.ofMinutes(2),
              random);
      scene.pause(spread.dividedBy(4));
      try {
        fault.injection().into(scene);
      } catch (Exception e) {
        problems.add("the fault could not be injected: " + e);
      }
      if (!load.await(LOAD_PATIENCE.plus(spread))) {
        problems.add("the load did not come to its end");
      }
      installation.heal();
      long healed = System.nanoTime();
      Balance balance;
      boolean over;
      do {
        sent.addAll(llm.numbers(run));
        sent.addAll(sql.numbers(run));
        balance = balance(fault, scene, reading, new Topics(results, sent));
        over = System.nanoTime() - healed > PATIENCE.toNanos();
        if (!balance.balances() && !over) {
          Await.pause(PAUSE);
        }
      } while (!balance.balances() && !over);
      problems.addAll(scene.problems());
      problems.addAll(
          Stream.of(balance.lost(), balance.duplicated(), balance.disagreeing())
              .flatMap(List::stream)
              .toList());
      return new FaultOutcome(
          fault.name(),
          balance.requests(),
          balance.lost().size(),
          balance.duplicated().size(),
          balance.disagreeing().size(),
          recovery(scene),
          notes(scene, balance),
          problems);
    }
  }

  private ReadTopic fromEnd(String topic) {
    return ReadTopic.fromEnd(installation.servers().bootstrapServers(), topic);
  }

  /// What a run has left in Kafka.
  ///
  /// @param sent the numbers of its requests that have a record
  private record Topics(ReadTopic results, Set<Integer> sent) {}

  private static boolean mayRefuse(Fault fault) {
    return fault.needs().contains(Fault.Need.TELLS_CALLERS);
  }

  private Duration spread(Fault fault) {
    var least = Duration.ofMillis(requests * 1000L / RATE);
    return least.compareTo(fault.spread()) > 0 ? least : fault.spread();
  }

  private long lastId() throws SQLException {
    try (var connection = installation.admin().connect("faults")) {
      return Sql.number(connection, "select nextval('pgoffload.request_id')");
    }
  }

  private Balance balance(Fault fault, Scene scene, ReadTables reading, Topics topics)
      throws SQLException {
    var published = topics.results.firstEndings(reading.after());
    var tables = reading.read();
    var rows = tables.numbers();
    var journal =
        scene.journal().all().stream()
            .map(asked ->
                scene
                    .survivors()
                    .judge(
                        asked,
                        rows.contains(asked.number()) || topics.sent.contains(asked.number())))
            .toList();
    var found =
        new Found(
            tables.requests(),
            tables.results(),
            tables.effects(),
            published,
            topics.sent,
            installation.stub().ledger().of(reading.run()));
    return CheckBooks.check(journal, found, scene.repeatable(), mayRefuse(fault));
  }

  private String recovery(Scene scene) throws SQLException {
    var recoveries = new ArrayList<String>();
    for (var recovery : scene.recoveries()) {
      var duration = recovery.duration(installation.admin());
      if (duration.isPresent()) {
        recoveries.add(
            String.format(
                Locale.ROOT, "%s %.1f s", recovery.what(), duration.get().toMillis() / 1000.0));
      } else if (recovery instanceof Recovery.Answer) {
        recoveries.add(recovery.what() + ": none");
      } else {
        recoveries.add(recovery.what() + ": nothing to take over");
      }
    }
    return String.join(", ", recoveries);
  }

  private static List<String> notes(Scene scene, Balance balance) {
    var notes = new ArrayList<>(scene.notes());
    notes.add(
        balance.endings().entrySet().stream()
            .sorted(Map.Entry.comparingByKey())
            .map(ending -> ending.getValue() + " " + ending.getKey())
            .collect(Collectors.joining(", ")));
    if (balance.repeatedCalls() > 0) {
      notes.add(
          balance.repeatedCalls() + " calls repeated of " + scene.repeatable() + " under way");
    }
    if (balance.told() > 0) {
      notes.add(balance.told() + " immediate calls told of a failure");
    }
    return notes;
  }
}
