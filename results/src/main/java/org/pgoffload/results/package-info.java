/// Kafka Streams: the first terminal result wins, write-back to PostgreSQL.
///
/// Start reading at [ResultsTopology], then [WriteBack]; for usage at [UsageTopology].
@NullMarked
package org.pgoffload.results;

import org.jspecify.annotations.NullMarked;
