package org.pgoffload.embedded;

final class BrokerInJvmTest extends KafkaBrokerConformance {

  @Override
  KafkaBroker start(BrokerOptions options) {
    return BrokerInJvm.start(options);
  }
}
