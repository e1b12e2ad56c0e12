/// The commands of administrators: schema, topics, slot, logins, rights, keys, retention and
/// status.
@NullMarked
package org.pgoffload.operations;

import org.jspecify.annotations.NullMarked;
