/// Capture as data: the Debezium configuration and the transform that makes requests of WAL
/// messages.
///
/// Start reading at [CaptureConfiguration], then [RequestTransform].
@NullMarked
package org.pgoffload.connectors;

import org.jspecify.annotations.NullMarked;
