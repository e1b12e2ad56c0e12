package org.pgoffload.dev.faults.injections;

import java.sql.SQLException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.dev.faults.books.Changes;
import org.pgoffload.dev.faults.books.TextCalls;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.Sql;
import org.pgoffload.dev.faults.installation.Tag;

/// What other faults do, while a table with a maintained column changes and is backfilled. As many
/// changes as the load has requests, of half as many rows.
final class MaintainedFaults {
  private static final Set<String> OF =
      Set.of("worker-killed", "results-killed", "postgres-killed");
  private static final int CHANGES_A_SECOND = 150;
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  private MaintainedFaults() {}

  static List<Fault> all() {
    return Stream.concat(PartFaults.all().stream(), ServerFaults.all().stream())
        .filter(fault -> OF.contains(fault.name()))
        .map(MaintainedFaults::maintained)
        .toList();
  }

  private static Fault maintained(Fault fault) {
    var needs = EnumSet.of(Fault.Need.LOAD_OF_ITS_OWN);
    needs.addAll(fault.needs());
    return new Fault(
        "maintained-" + fault.name(),
        fault.description() + "; meanwhile a maintained column is backfilled and its table changes",
        needs,
        fault.spread(),
        fault.shape(),
        scene -> run(scene, fault.injection()));
  }

  private static void run(Scene scene, Fault.Injection injection) throws Exception {
    var run = scene.journal().run() + "-m";
    var name = run.replace('-', '_');
    var table = "app." + name;
    int rows = scene.requests() / 2;
    declare(scene, run, name, rows);
    var changes = new Changes(scene.installation()::application, run, table, rows);
    var spread = Duration.ofMillis(scene.requests() * 1000L / CHANGES_A_SECOND);
    changes.start(scene.requests(), spread, scene.random());
    scene.pause(spread.dividedBy(4));
    injection.into(scene);
    if (!changes.await(PATIENCE.plus(spread))) {
      scene.problem("the changes did not come to their end");
    }
    long changed = System.nanoTime();
    if (!Await.comes(() -> isSettled(scene, name), PATIENCE.plus(spread))) {
      scene.problem("maintained column: " + state(scene, name));
    }
    var settled = Duration.ofNanos(System.nanoTime() - changed);
    changes.refused().forEach(scene::problem);
    var calls =
        TextCalls.check(
            last(scene, table),
            changes.undone(),
            scene.installation().stub().ledger().of(run),
            failedCalls(scene, run),
            scene.repeatable());
    calls.problems().forEach(scene::problem);
    scene.note(
        "%d changes of %d rows that were backfilled, settled %.1f s later: %d calls necessary, %d answered after they were given up, %d in vain of %d under way, %s overtaken, %s stale"
            .formatted(
                scene.requests(),
                rows,
                settled.toMillis() / 1000.0,
                calls.necessary(),
                calls.givenUp(),
                calls.inVain(),
                scene.repeatable(),
                scene
                    .query(
                        "select count(*) from pgoffload.llm_result r join llm_request q using (id) where q.prompt like 'What is ["
                            + run
                            + ":%' and r.error_code = 'superseded'")
                    .getFirst(),
                scene
                    .query("select stale from llm_maintained where name = '" + name + "'")
                    .getFirst()));
    if (scene.problems().isEmpty()) {
      ask(scene, "select llm_maintain_drop('" + name + "')");
      ask(scene, "drop table " + table);
    }
  }

  private static void declare(Scene scene, String run, String name, int rows) throws SQLException {
    ask(
        scene,
        "create table app.%s (id bigint primary key, body text, answer text)".formatted(name));
    ask(
        scene,
        "insert into app.%s select n, '[%s:' || n || ']' from generate_series(0, %d) n"
            .formatted(name, run, rows - 1));
    ask(
        scene,
        "select llm_maintain('%1$s', 'app.%1$s', 'answer', 'What is {body}?', backfill => true)"
            .formatted(name));
  }

  /// As the role that declares.
  private static void ask(Scene scene, String sql) throws SQLException {
    try (var connection = scene.installation().application().connect("faults")) {
      Sql.execute(connection, sql);
    }
  }

  private static boolean isSettled(Scene scene, String name) {
    Await.pause(Duration.ofMillis(250));
    return state(scene, name).equals("active, 0 pending, 0 failed, 0 rows wrong");
  }

  /// The stub's answer names the text.
  private static String state(Scene scene, String name) {
    try {
      return scene
          .query(
              """
              select concat_ws(', ', m.status, m.pending || ' pending', m.failed || ' failed',
                               (select count(*) from app.%1$s t
                                where t.answer is distinct from 'answer to ' || t.body) || ' rows wrong')
                     || coalesce('; ' || m.paused, '') || coalesce('; ' || m.last_error, '')
              from llm_maintained m where m.name = '%1$s'\
              """
                  .formatted(name))
          .getFirst();
    } catch (SQLException e) {
      throw new FaultsException("a maintained column cannot be read", e);
    }
  }

  /// By the number of the text: the calls that a worker has given up or seen fail.
  private static Map<Integer, Integer> failedCalls(Scene scene, String run) throws SQLException {
    var failed = new HashMap<Integer, Integer>();
    scene
        .query(
            """
            select q.prompt
            from llm_request q join pgoffload.llm_result r using (id), jsonb_array_elements(r.calls) c
            where q.prompt like 'What is [%s:%%' and c ->> 'error_code' is not null\
            """
                .formatted(run))
        .forEach(
            prompt -> Tag.in(prompt).ifPresent(tag -> failed.merge(tag.number(), 1, Integer::sum)));
    return failed;
  }

  private static Set<Integer> last(Scene scene, String table) throws SQLException {
    return scene.query("select body from " + table).stream()
        .flatMap(body -> Tag.in(body).stream())
        .map(Tag::number)
        .collect(Collectors.toSet());
  }
}
