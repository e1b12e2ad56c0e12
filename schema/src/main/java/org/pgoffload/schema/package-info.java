/// Every table, function, trigger, role and publication, and the installer that applies them.
///
/// The SQL is in the directory `migrations` of the resources; [InstallSchema] applies it.
@NullMarked
package org.pgoffload.schema;

import org.jspecify.annotations.NullMarked;
