package org.pgoffload.dev.servers.kafka;

import static org.assertj.core.api.Assertions.assertThat;

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
}
