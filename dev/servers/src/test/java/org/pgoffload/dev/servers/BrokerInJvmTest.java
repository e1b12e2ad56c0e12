package org.pgoffload.dev.servers;

final class BrokerInJvmTest extends KafkaBrokerConformance {

  @Override
  KafkaBroker start(BrokerOptions options) {
    return BrokerInJvm.start(options);
  }
}
