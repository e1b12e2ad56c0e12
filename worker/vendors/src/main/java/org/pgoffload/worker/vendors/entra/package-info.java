/// Tokens of Entra ID, for Azure OpenAI.
@NullMarked
package org.pgoffload.worker.vendors.entra;

import org.jspecify.annotations.NullMarked;
