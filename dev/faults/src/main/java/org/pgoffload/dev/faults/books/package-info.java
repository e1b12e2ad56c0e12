/// The load on the installation, and the books that are checked after it: what was asked, what the
/// tables, the topic and the stub have, and whether both balance.
@NullMarked
package org.pgoffload.dev.faults.books;

import org.jspecify.annotations.NullMarked;
