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
/// own. Nothing is said of times, which are the full form's business.
class FaultsTest {
  @TempDir Path directory;

  @Test
  void nothingIsLostAndNothingHappensTwice() throws SQLException {
    var plan =
        new FaultPlan(
            List.of("worker-killed", "postgres-killed", "kafka-killed"),
            150,
            0,
            1,
            directory.resolve("faults"),
            true);
    var log = LoggerFactory.getLogger(FaultsTest.class);
    try (var faults = new RunFaults(plan, FaultsCommand.partCommand(), log::info)) {
      assertThat(faults.run())
          .hasSize(3)
          .allSatisfy(outcome -> assertThat(outcome.problems()).as(outcome.fault()).isEmpty())
          .allMatch(FaultOutcome::balances);
    }
  }
}
