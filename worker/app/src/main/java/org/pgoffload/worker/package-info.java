/// Consumes requests, makes the LLM call, publishes results.
@NullMarked
package org.pgoffload.worker;

import org.jspecify.annotations.NullMarked;
