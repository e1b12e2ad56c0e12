/// Measures, traces and health of the parts.
@NullMarked
package org.pgoffload.telemetry;

import org.jspecify.annotations.NullMarked;
