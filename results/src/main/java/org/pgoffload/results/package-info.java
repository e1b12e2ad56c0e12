/// Writes results back to PostgreSQL, where the first terminal result wins, and counts usage.
///
/// Start reading at [ConsumeResults], then [WriteBack]; for usage at [UsageTopology].
@NullMarked
package org.pgoffload.results;

import org.jspecify.annotations.NullMarked;
