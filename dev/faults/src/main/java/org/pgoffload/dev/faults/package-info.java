/// Injects faults into a whole installation under load, and checks the books afterwards.
@NullMarked
package org.pgoffload.dev.faults;

import org.jspecify.annotations.NullMarked;
