/// A real PostgreSQL and a real Kafka broker in or under one JVM.
@NullMarked
package org.pgoffload.embedded;

import org.jspecify.annotations.NullMarked;
