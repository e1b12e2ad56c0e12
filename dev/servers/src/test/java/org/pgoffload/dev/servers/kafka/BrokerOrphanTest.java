package org.pgoffload.dev.servers.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.Holder;
import org.pgoffload.dev.servers.Processes;

/// What becomes of a broker's process when it is closed, or the JVM that has started it ends.
@Timeout(120)
final class BrokerOrphanTest {
  @TempDir Path directory;

  @Test
  void endsWhenItIsClosed() {
    var broker = BrokerProcess.start(BrokerOptions.kept(directory));
    assertThat(isRunning(broker.processId())).isTrue();
    broker.close();
    assertThat(isRunning(broker.processId())).isFalse();
  }

  @Test
  void endsWithItsJvm() throws Exception {
    long broker;
    try (var holder = new Holder(BrokerHolder.class, directory)) {
      broker = holder.serverPid();
      assertThat(isRunning(broker)).isTrue();
    }
    assertThat(isRunning(broker)).isFalse();
  }

  @Test
  void endsByItselfWhenItsJvmIsKilled() throws Exception {
    try (var holder = new Holder(BrokerHolder.class, directory)) {
      holder.kill();
      await().atMost(Duration.ofSeconds(30)).until(() -> !isRunning(holder.serverPid()));
    }
  }

  @Test
  void waitsForTheEndOfTheOrphanOfAKilledJvm() throws Exception {
    try (var holder = new Holder(BrokerHolder.class, directory)) {
      assertThatThrownBy(() -> BrokerProcess.endOrphan(directory))
          .hasMessageContaining("process " + holder.process().pid());
      holder.kill();
      try (var broker = BrokerProcess.start(BrokerOptions.kept(directory))) {
        assertThat(isRunning(holder.serverPid())).isFalse();
        assertThat(broker.isRunning()).isTrue();
      }
    }
  }

  @Test
  void endsAnOrphanThatNoLongerEndsByItself() throws Exception {
    try (var holder = new Holder(BrokerHolder.class, directory)) {
      Processes.signal(holder.serverPid(), "STOP");
      holder.kill();
      assertThat(BrokerProcess.endOrphan(directory)).isEqualTo(OptionalLong.of(holder.serverPid()));
      assertThat(isRunning(holder.serverPid())).isFalse();
    }
  }

  /// A zombie, which waits for the system's first process to notice its end, no longer runs.
  private boolean isRunning(long pid) {
    return Processes.withArgument(pid, BrokerOrphan.settingsFile(directory).toString()).isPresent();
  }
}
