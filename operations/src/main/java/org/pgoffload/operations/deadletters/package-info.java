/// Dead letters: records that no part could read or was allowed to execute.
@NullMarked
package org.pgoffload.operations.deadletters;

import org.jspecify.annotations.NullMarked;
