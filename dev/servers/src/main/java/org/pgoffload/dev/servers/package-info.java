/// A real PostgreSQL and a real Kafka broker in or under one JVM.
@NullMarked
package org.pgoffload.dev.servers;

import org.jspecify.annotations.NullMarked;
