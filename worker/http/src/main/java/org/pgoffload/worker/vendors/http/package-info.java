/// HTTP as the model vendors speak it: connections, proxies, replies, streams, limits.
@NullMarked
package org.pgoffload.worker.vendors.http;

import org.jspecify.annotations.NullMarked;
