/// Commands that start servers of their own: `demo`, `dev`, `bench` and `faults`.
@NullMarked
package org.pgoffload.dev.launcher;

import org.jspecify.annotations.NullMarked;
