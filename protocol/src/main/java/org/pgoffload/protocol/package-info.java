/// The messages on the topics: records, JSON, topic names, signing.
@NullMarked
package org.pgoffload.protocol;

import org.jspecify.annotations.NullMarked;
