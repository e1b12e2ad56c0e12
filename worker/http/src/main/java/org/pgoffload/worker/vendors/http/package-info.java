/// HTTP as the model vendors speak it: connections, proxies, replies, streams, limits.
///
/// Start reading at [PostJson].
@NullMarked
package org.pgoffload.worker.vendors.http;

import org.jspecify.annotations.NullMarked;
