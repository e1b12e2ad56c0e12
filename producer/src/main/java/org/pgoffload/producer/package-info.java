/// Hosts Debezium Embedded and publishes what it captures to Kafka.
@NullMarked
package org.pgoffload.producer;

import org.jspecify.annotations.NullMarked;
