/// A real PostgreSQL under one JVM, and what servers of any kind need: directories of their own,
/// and processes that leave nothing behind.
///
/// Start reading at [PostgresServer].
@NullMarked
package org.pgoffload.dev.servers;

import org.jspecify.annotations.NullMarked;
