/// HTTP as the stub speaks it: one connection, and replies down to their bytes.
@NullMarked
package org.pgoffload.dev.testkit.http;

import org.jspecify.annotations.NullMarked;
