/// The pgoffload command: everything in one JVM, or each part alone.
@NullMarked
package org.pgoffload.launcher;

import org.jspecify.annotations.NullMarked;
