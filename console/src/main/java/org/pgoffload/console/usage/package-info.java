/// What roles and models have used over time, what it costs, and what is left of budgets.
///
/// Start reading at [UsagePage], then [ReadUsage].
@NullMarked
package org.pgoffload.console.usage;

import org.jspecify.annotations.NullMarked;
