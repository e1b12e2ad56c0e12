/// When the signs of a request are seen at each place on its way.
@NullMarked
package org.pgoffload.dev.benchmarks.observe;

import org.jspecify.annotations.NullMarked;
