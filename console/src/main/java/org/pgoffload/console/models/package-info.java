/// Models: what each is asked, how fast its calls go, what limits them, what fails, and what it
/// costs.
///
/// Start reading at [ModelsPage], then [ReadModels].
@NullMarked
package org.pgoffload.console.models;

import org.jspecify.annotations.NullMarked;
