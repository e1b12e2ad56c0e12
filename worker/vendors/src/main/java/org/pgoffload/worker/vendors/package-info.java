/// The providers of language models: how each vendor is asked and what its replies mean.
///
/// Start reading at [ResolveProvider], then [HttpProvider]; `docs/llm-providers.md` has the
/// settings.
@NullMarked
package org.pgoffload.worker.vendors;

import org.jspecify.annotations.NullMarked;
