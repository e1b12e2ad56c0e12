/// Capture as data: the Debezium configuration and the transform that makes requests of change
/// events.
@NullMarked
package org.pgoffload.connectors;

import org.jspecify.annotations.NullMarked;
