/// Ranking documents by an API `/rerank`.
@NullMarked
package org.pgoffload.worker.vendors.rerank;

import org.jspecify.annotations.NullMarked;
