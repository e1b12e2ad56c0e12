/// The database as a signed-in role sees it: short sessions of that role, one after another, and
/// none while nobody looks.
///
/// Start reading at [RoleDatabase].
@NullMarked
package org.pgoffload.console.database;

import org.jspecify.annotations.NullMarked;
