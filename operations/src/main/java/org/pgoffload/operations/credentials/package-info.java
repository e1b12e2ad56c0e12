/// Certificates and passwords of an installation.
@NullMarked
package org.pgoffload.operations.credentials;

import org.jspecify.annotations.NullMarked;
