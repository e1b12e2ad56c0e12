/// The removal of what is older than the retention: requests and results from the tables, requests
/// from their topics.
///
/// Start reading at [RemoveOldRequests] for the tables, and [TrimRequestTopics] for the topics.
@NullMarked
package org.pgoffload.operations.retention;

import org.jspecify.annotations.NullMarked;
