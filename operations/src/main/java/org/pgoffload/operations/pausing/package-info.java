/// Pauses and resumes models and roles.
///
/// Start reading at [PauseRequests].
@NullMarked
package org.pgoffload.operations.pausing;

import org.jspecify.annotations.NullMarked;
