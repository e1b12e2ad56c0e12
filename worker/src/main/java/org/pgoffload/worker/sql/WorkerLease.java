package org.pgoffload.worker.sql;

import java.sql.SQLException;

/// The lease under which this process claims.
public interface WorkerLease {
  /// The worker's name.
  String worker();

  /// Which registration of that name it is.
  long epoch();

  /// To be called when the lease was found to be lost: renews it, or registers again.
  ///
  /// @param lost the epoch that was found to be lost
  /// @throws SQLException if the database could not be asked
  void recover(long lost) throws SQLException;
}
