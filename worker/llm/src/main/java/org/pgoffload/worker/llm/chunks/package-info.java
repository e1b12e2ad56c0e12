/// How a text is split into chunks that a model embeds. Start reading at [SplitText].
@NullMarked
package org.pgoffload.worker.llm.chunks;

import org.jspecify.annotations.NullMarked;
