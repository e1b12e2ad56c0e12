package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.faults.FaultOutcome;
import org.pgoffload.dev.faults.FaultPlan;
import org.pgoffload.dev.faults.RunFaults;
import org.pgoffload.dev.launcher.FaultsCommand;
import org.slf4j.LoggerFactory;

/// The short form of `pgoffload faults`: the most telling ones, with every part as a process of its
/// own; without `-Pslow` the first two of them. Nothing is said of times, which are the full form's
/// business.
class FaultsTest {
  @TempDir Path directory;

  @Test
  void nothingIsLostAndNothingHappensTwice() throws SQLException {
    var faults =
        Boolean.getBoolean("slow")
            ? List.of(
                "worker-killed", "maintained-worker-killed", "postgres-killed", "kafka-killed")
            : List.of("worker-killed", "maintained-worker-killed");
    var plan = new FaultPlan(faults, 150, 0, 1, directory.resolve("faults"), true);
    var log = LoggerFactory.getLogger(FaultsTest.class);
    try (var run = new RunFaults(plan, FaultsCommand.partCommand(), log::info)) {
      assertThat(run.run())
          .hasSameSizeAs(faults)
          .allSatisfy(outcome -> assertThat(outcome.problems()).as(outcome.fault()).isEmpty())
          .allMatch(FaultOutcome::balances);
    }
  }
}
