/// The calls to model vendors: what is asked, what comes back, who is asked, over plain HTTP.
///
/// Start reading at [LlmProvider], then [ResolveProvider]; `docs/llm-providers.md` has the
/// settings.
@NullMarked
package org.pgoffload.worker.vendors;

import org.jspecify.annotations.NullMarked;
