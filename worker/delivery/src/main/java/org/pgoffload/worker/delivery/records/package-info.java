/// Records of requests that are not in memory any more, and how they are read again.
@NullMarked
package org.pgoffload.worker.delivery.records;

import org.jspecify.annotations.NullMarked;
