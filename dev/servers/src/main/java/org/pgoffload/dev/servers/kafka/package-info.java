/// Real Kafka brokers in or under one JVM, alone or as a cluster of three.
///
/// Start reading at [KafkaBroker], and at [TestBroker] for what most tests use.
@NullMarked
package org.pgoffload.dev.servers.kafka;

import org.jspecify.annotations.NullMarked;
