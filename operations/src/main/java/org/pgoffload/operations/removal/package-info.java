/// What `uninstall` removes: the schema and roles, and the topics with their groups.
///
/// Start reading at [RemoveSchema].
@NullMarked
package org.pgoffload.operations.removal;

import org.jspecify.annotations.NullMarked;
