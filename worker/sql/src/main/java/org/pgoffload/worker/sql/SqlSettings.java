package org.pgoffload.worker.sql;

import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.platform.TaskDatabase;

/// How background SQL is executed.
///
/// @param database where tasks run
/// @param limits how many of them at once
public record SqlSettings(TaskDatabase database, SqlLimits limits) {}
