/// The installation that faults are injected into: servers, links, parts as processes, and the stub
/// of a provider, which keeps a ledger of its calls.
@NullMarked
package org.pgoffload.dev.faults.installation;

import org.jspecify.annotations.NullMarked;
