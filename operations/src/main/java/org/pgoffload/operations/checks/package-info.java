/// What an administrator should set on the servers, as far as it can be seen from the primary.
@NullMarked
package org.pgoffload.operations.checks;

import org.jspecify.annotations.NullMarked;
