/// The model that the bench asks besides `echo`.
@NullMarked
package org.pgoffload.dev.benchmarks.model;

import org.jspecify.annotations.NullMarked;
