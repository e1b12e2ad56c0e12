package org.pgoffload.platform;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/// A pooler has answered a part's login in the server's place. The address has to be changed:
/// waiting does not help. The SQLSTATE is that of what is not supported.
public final class PoolerException extends SQLException {
  private static final long serialVersionUID = 1L;

  PoolerException(String pooler, DatabaseAddress address, @Nullable SQLException cause) {
    super(
        "pooled_connection: "
            + pooler
            + " answers for "
            + address
            + ". Only applications connect through a pooler: give pgoffload the address of"
            + " PostgreSQL itself",
        "0A000",
        cause);
  }
}
