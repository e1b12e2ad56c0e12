/// The means by which any part reaches others: addresses of PostgreSQL and Kafka, the words of
/// their faults, and settings from the environment.
@NullMarked
package org.pgoffload.platform;

import org.jspecify.annotations.NullMarked;
