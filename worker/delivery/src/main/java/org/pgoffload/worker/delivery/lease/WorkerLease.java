package org.pgoffload.worker.delivery.lease;

import java.sql.SQLException;
import org.pgoffload.platform.DatabaseFault;

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

  /// A statement under the lease.
  @FunctionalInterface
  interface Claiming<T> {
    T claim() throws SQLException;
  }

  /// Runs a statement that the database refuses when the lease is lost: recovers the lease and runs
  /// it once more.
  ///
  /// @throws SQLException if the database could not be asked, or the lease is lost again
  default <T> T claiming(Claiming<T> claiming) throws SQLException {
    long epoch = epoch();
    try {
      return claiming.claim();
    } catch (SQLException e) {
      if (!DatabaseFault.is(e, DatabaseFault.LEASE_LOST)) {
        throw e;
      }
      recover(epoch);
      return claiming.claim();
    }
  }
}
