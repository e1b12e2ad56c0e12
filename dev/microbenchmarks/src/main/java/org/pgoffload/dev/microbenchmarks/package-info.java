/// What is pure, measured by JMH: messages, signatures, and statements of background SQL.
@NullMarked
package org.pgoffload.dev.microbenchmarks;

import org.jspecify.annotations.NullMarked;
