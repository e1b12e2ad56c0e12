/// A prompt or a SQL command of the signed-in role, tried from the browser.
///
/// Start reading at [TryPage].
@NullMarked
package org.pgoffload.console.trying;

import org.jspecify.annotations.NullMarked;
