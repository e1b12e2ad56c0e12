package org.pgoffload.worker.sql;

import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.worker.sql.sessions.SqlLimits;

/// How background SQL is executed.
///
/// @param database where tasks run
/// @param limits how many of them at once
public record SqlSettings(TaskDatabase database, SqlLimits limits) {}
