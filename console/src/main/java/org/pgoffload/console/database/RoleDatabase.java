package org.pgoffload.console.database;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;

/// The database with the rights of one role: its row-level security decides what is seen, and its
/// grants what can be done. Each look and each action has a session of its own, which ends with it.
///
/// Immutable and safe to share between threads. Holds the role's password.
public final class RoleDatabase {
  private static final String APPLICATION = "pgoffload console";
  private static final Duration LOOK = Duration.ofSeconds(5);
  private static final Duration ACTION = Duration.ofSeconds(30);

  /// The longest silence of a server beyond the time that it may take.
  private static final Duration SILENCE = Duration.ofSeconds(5);

  private final DatabaseAddress address;
  private final String publicSchema;
  private final SessionPlaces places;

  /// @param address with the role and its password
  /// @param publicSchema the schema of the public objects, with quotes where it needs them
  public RoleDatabase(DatabaseAddress address, String publicSchema, SessionPlaces places) {
    this.address = address;
    this.publicSchema = publicSchema;
    this.places = places;
  }

  /// What is done in a session.
  @FunctionalInterface
  public interface Work<T extends @Nullable Object> {
    T in(RoleSession session) throws SQLException;
  }

  /// The role.
  public String role() {
    return address.user();
  }

  /// Reads in a transaction that cannot write; each statement has five seconds.
  ///
  /// @throws BusyException if the console has too many sessions open
  public <T extends @Nullable Object> T look(Work<T> work) throws SQLException {
    return with(LOOK, true, work);
  }

  /// Acts in a transaction, which commits unless the work throws; each statement has thirty
  /// seconds.
  ///
  /// @throws BusyException if the console has too many sessions open
  public <T extends @Nullable Object> T act(Work<T> work) throws SQLException {
    return with(ACTION, false, work);
  }

  private <T extends @Nullable Object> T with(Duration patience, boolean isLook, Work<T> work)
      throws SQLException {
    try (var _ = places.take(role());
        var connection = address.connect(APPLICATION, patience.plus(SILENCE), patience)) {
      pin(connection);
      connection.setReadOnly(isLook);
      connection.setAutoCommit(false);
      var result = work.in(new RoleSession(connection, publicSchema));
      connection.commit();
      return result;
    }
  }

  /// The zone is the driver's otherwise, which is the machine's: texts of times would differ from
  /// one console to another. A look waits for no lock that a migration holds.
  private static void pin(Connection connection) throws SQLException {
    Query.execute(
        connection,
        "select pg_catalog.set_config('TimeZone', 'UTC', false),"
            + " pg_catalog.set_config('lock_timeout', '3s', false)");
  }

  /// Names the place and the role, without the password.
  @Override
  public String toString() {
    return "RoleDatabase[" + address + "]";
  }
}
