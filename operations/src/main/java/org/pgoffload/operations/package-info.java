/// The commands of administrators: schema, topics, slot, logins, rights and status.
///
/// Start reading at [Install] for what an installation gets, and [MaintenanceApp] for what keeps it
/// in shape.
@NullMarked
package org.pgoffload.operations;

import org.jspecify.annotations.NullMarked;
