/// What the parts tell of themselves: measures, traces, health.
@NullMarked
package org.pgoffload.telemetry;

import org.jspecify.annotations.NullMarked;
