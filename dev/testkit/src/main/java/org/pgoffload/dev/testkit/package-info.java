/// Servers and vendors for the tests of every module. It knows none of the parts.
@NullMarked
package org.pgoffload.dev.testkit;

import org.jspecify.annotations.NullMarked;
