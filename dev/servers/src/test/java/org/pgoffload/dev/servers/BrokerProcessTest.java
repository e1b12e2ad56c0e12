package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

final class BrokerProcessTest extends KafkaBrokerConformance {

  @Override
  KafkaBroker start(BrokerOptions options) {
    return BrokerProcess.start(options);
  }

  @Test
  void keepsItsRecordsOverAKill() throws Exception {
    var first = BrokerProcess.start(kept());
    createTopic(first, "records");
    produce(first, "records", new byte[] {1});
    first.kill();
    assertThat(first.isRunning()).isFalse();

    try (var second = BrokerProcess.start(first.options())) {
      assertThat(consume(second, "records", 1)).containsExactly(new byte[] {1});
    }
    first.close();
  }

  @Test
  void closes() {
    var broker = BrokerProcess.start(kept());
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
      try (var broker = BrokerProcess.start(kept())) {
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
