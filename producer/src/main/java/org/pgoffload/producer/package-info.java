/// Hosts Debezium Embedded and publishes what it captures to Kafka.
///
/// Start reading at [SuperviseCapture], then [PublishCaptured].
@NullMarked
package org.pgoffload.producer;

import org.jspecify.annotations.NullMarked;
