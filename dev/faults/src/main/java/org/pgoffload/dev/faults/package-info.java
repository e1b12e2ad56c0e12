/// Injects faults into a whole installation under load, and checks the books afterwards.
///
/// Start at `RunFaults`: it makes an `installation`, puts the load of `books` on it, brings about
/// one of the `injections`, and compares the books.
@NullMarked
package org.pgoffload.dev.faults;

import org.jspecify.annotations.NullMarked;
