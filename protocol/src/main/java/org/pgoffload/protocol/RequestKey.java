package org.pgoffload.protocol;

import java.util.UUID;

/// Which request it is. The id alone does not say so for ever: after a fail-over to a standby that
/// had not got the last rows, their ids may be drawn again.
///
/// @param id the request id
/// @param nonce drawn by the database for this request alone
public record RequestKey(long id, UUID nonce) {}
