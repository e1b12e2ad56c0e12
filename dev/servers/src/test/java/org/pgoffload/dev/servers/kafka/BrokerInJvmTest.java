package org.pgoffload.dev.servers.kafka;

final class BrokerInJvmTest extends KafkaBrokerConformance {

  @Override
  KafkaBroker start(BrokerOptions options) {
    return BrokerInJvm.start(options);
  }
}
