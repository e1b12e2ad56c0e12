/// A stub of APIs that rank documents, over real HTTP, for the tests of other modules.
@NullMarked
package org.pgoffload.dev.testkit.rerank;

import org.jspecify.annotations.NullMarked;
