/// Hosts a part as a process: its measures and health, signals, and the reading of changed secrets.
@NullMarked
package org.pgoffload.platform.hosting;

import org.jspecify.annotations.NullMarked;
