/// Which server takes the installation's writes: every part follows the record of the primary in
/// the topic `control`, and writes to no server that is not the recorded one. Start with
/// [org.pgoffload.platform.primary.FollowPrimary].
@NullMarked
package org.pgoffload.platform.primary;

import org.jspecify.annotations.NullMarked;
