/// Kafka Streams: the first terminal result wins, write-back to PostgreSQL.
@NullMarked
package org.pgoffload.results;

import org.jspecify.annotations.NullMarked;
