/// Maintained columns: how each stands, which of its rows have failed, and the buttons that help.
///
/// Start reading at [MaintainedPage].
@NullMarked
package org.pgoffload.console.maintained;

import org.jspecify.annotations.NullMarked;
