/// Dead letters: a list, the page of each, and the buttons that replay and discard them.
///
/// Start reading at [DeadLettersPage].
@NullMarked
package org.pgoffload.console.deadletters;

import org.jspecify.annotations.NullMarked;
