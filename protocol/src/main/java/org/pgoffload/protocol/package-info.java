/// The messages on the topics: records, JSON, topic names, signing.
///
/// Start reading at [Envelope] and [ResultMessage]; [TopicNames] has the topics.
@NullMarked
package org.pgoffload.protocol;

import org.jspecify.annotations.NullMarked;
