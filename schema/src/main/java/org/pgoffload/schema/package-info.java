/// Every table, function, trigger, role and publication, and the installer that applies them.
@NullMarked
package org.pgoffload.schema;

import org.jspecify.annotations.NullMarked;
