/// The faults, one class for each part of the installation, and the scene in which a fault happens.
@NullMarked
package org.pgoffload.dev.faults.injections;

import org.jspecify.annotations.NullMarked;
