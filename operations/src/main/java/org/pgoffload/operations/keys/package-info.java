/// The keys with which the database signs requests, as their administrator sees them.
///
/// Start reading at [RotateKeys].
@NullMarked
package org.pgoffload.operations.keys;

import org.jspecify.annotations.NullMarked;
