/// The installed commands: each part as a process, and what administrators run.
///
/// Start reading at [Main] and [PgoffloadCommand]; [ReadConfiguration] has the settings of the
/// parts.
@NullMarked
package org.pgoffload.launcher;

import org.jspecify.annotations.NullMarked;
