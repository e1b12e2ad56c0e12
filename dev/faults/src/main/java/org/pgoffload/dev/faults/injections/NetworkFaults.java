package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.pgoffload.dev.faults.installation.Link;
import org.pgoffload.dev.faults.installation.Links;

/// Networks that are cut, slow, silent, or half open.
final class NetworkFaults {
  /// Longer than a lease, and than the sessions with the broker.
  private static final Duration FOR_A_WHILE = Duration.ofSeconds(6);

  private NetworkFaults() {}

  static List<Fault> all() {
    var all = new ArrayList<Fault>();
    for (var state :
        List.of(Link.State.CUT, Link.State.SLOW, Link.State.SILENT, Link.State.HALF_OPEN)) {
      all.add(disturbed("workers-postgres", state, Links::ofWorkersToPostgres));
      all.add(disturbed("producer-postgres", state, links -> List.of(links.producerToPostgres())));
      all.add(disturbed("results-postgres", state, links -> List.of(links.resultsToPostgres())));
      all.add(disturbed("kafka", state, Links::toKafka));
      all.add(disturbed("workers-model", state, links -> List.of(links.workersToStub())));
    }
    return all;
  }

  private static Fault disturbed(String name, Link.State state, Function<Links, List<Link>> which) {
    return Fault.of(
        name + "-" + word(state),
        "the network of " + name + " " + happening(state) + " for 6 s",
        scene -> {
          // a worker that cannot renew its lease counts as dead, with the calls that it makes
          var links = which.apply(scene.installation().links());
          scene.endWithCalls(() -> links.forEach(link -> link.become(state)));
          scene.pause(FOR_A_WHILE);
          scene.endWithCalls(() -> links.forEach(link -> link.become(Link.State.PASSING)));
          scene.measureRecovery("network");
          scene.awaitRecovery();
        },
        Fault.Need.LINKS);
  }

  private static String word(Link.State state) {
    return switch (state) {
      case CUT -> "cut";
      case SLOW -> "slow";
      case SILENT -> "silent";
      case HALF_OPEN -> "half-open";
      case PASSING -> "whole";
    };
  }

  private static String happening(Link.State state) {
    return switch (state) {
      case CUT -> "is cut: connections are reset";
      case SLOW -> "delays every packet by 150 ms";
      case SILENT -> "falls silent, and goes on where it stopped,";
      case HALF_OPEN -> "loses its servers without a word: connections stay half open";
      case PASSING -> "is whole";
    };
  }
}
