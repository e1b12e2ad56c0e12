package org.pgoffload.console.signin;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Semaphore;
import org.pgoffload.console.database.RoleDatabase;
import org.pgoffload.console.database.SessionPlaces;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Secret;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Lets roles of PostgreSQL in: the server checks the password, the console what the role is.
///
/// A server that asks nobody for a password, by `trust` or `peer` in its pg_hba.conf, would let in
/// whoever names a role; it trusts the console's machine, and not the console's readers. So the
/// server has to say how it knows the role: by `system_user` from PostgreSQL 16 on. PostgreSQL 15
/// is asked with a password that is wrong.
///
/// Safe to share between threads.
public final class SignIn {
  private static final Logger LOG = LoggerFactory.getLogger(SignIn.class);
  private static final String APPLICATION = "pgoffload console sign-in";
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /// Each waits for a server, and costs it a process.
  private static final int AT_ONCE = 4;

  /// How a server can know a role by the reader's password.
  private static final Set<String> BY_PASSWORD =
      Set.of("scram-sha-256", "md5", "password", "ldap", "radius", "pam", "bsd");

  private final DatabaseAddress place;
  private final boolean superusersAllowed;
  private final Sessions sessions;
  private final Tokens tokens;
  private final AttemptLimits limits;
  private final SessionPlaces places = new SessionPlaces();
  private final Semaphore attempts = new Semaphore(AT_ONCE, true);

  /// @param place the database, whose login is not used
  /// @param superusersAllowed whether a superuser may sign in
  public SignIn(
      DatabaseAddress place,
      boolean superusersAllowed,
      Sessions sessions,
      Tokens tokens,
      Clock clock) {
    this.place = place;
    this.superusersAllowed = superusersAllowed;
    this.sessions = sessions;
    this.tokens = tokens;
    this.limits = new AttemptLimits(clock);
  }

  /// Signs a role in.
  ///
  /// @param from the reader's network address
  /// @return the id of the new session
  /// @throws SignInException if it is not let in
  public String signIn(String role, Secret password, String from) {
    var wait = limits.wait(role, from);
    if (!wait.isZero()) {
      LOG.warn("Sign-in from {} is refused for {} s: too many have failed", from, wait.toSeconds());
      throw new SignInException(
          "53400",
          "Too many attempts have failed.",
          "Try again in " + Math.max(1, wait.toMinutes()) + " min.");
    }
    Login login;
    try {
      login = login(role, password);
    } catch (SignInException e) {
      // the console's own reasons say nothing of the password
      limits.takeBack(role, from);
      throw e;
    } catch (SQLException e) {
      if (!DatabaseFault.isOfClass(e, "28")) {
        limits.takeBack(role, from);
      }
      // neither the name, which may be a password in the wrong field, nor the server's words
      LOG.info("Sign-in from {} was refused by the server: SQLSTATE {}", from, e.getSQLState());
      throw refusal(e);
    }
    limits.takeBack(role, from);
    LOG.info("{} signed in from {}", role, from);
    return sessions.begin(login);
  }

  private Login login(String role, Secret password) throws SQLException {
    if (!attempts.tryAcquire()) {
      throw new SignInException(
          "53300", "Others are signing in at this moment.", "Try again in a few seconds.");
    }
    try (var connection =
        place.as(role, password).connect(APPLICATION, PATIENCE.multipliedBy(2), PATIENCE)) {
      requireCheckedPassword(connection, role);
      return admit(connection, place.as(role, password));
    } finally {
      attempts.release();
    }
  }

  private Login admit(Connection connection, DatabaseAddress address) throws SQLException {
    if (Query.exists(
            connection, "select from pg_catalog.pg_roles where rolname = current_user and rolsuper")
        && !superusersAllowed) {
      throw new SignInException(
          "42501",
          "A superuser is not let in.",
          "Sign in with an ordinary role, or set PGOFFLOAD_CONSOLE_SUPERUSERS=allowed.");
    }
    if (!Query.exists(
        connection, "select from pg_catalog.pg_roles where rolname = 'pgbackground_role'")) {
      throw notInstalled();
    }
    var rights =
        Query.row(
            connection,
            "select pg_catalog.pg_has_role('llm_user', 'usage'),"
                + " pg_catalog.pg_has_role('pgbackground_role', 'usage'),"
                + " exists (select from pg_catalog.pg_roles r where r.rolname = 'pgoffload_operator'"
                + " and pg_catalog.pg_has_role(r.oid, 'usage'))",
            row -> new RoleRights(row.getBoolean(1), row.getBoolean(2), row.getBoolean(3)));
    if (!rights.asks() && !rights.launches() && !rights.operates()) {
      throw new SignInException(
          "42501",
          "The role may not use pgoffload.",
          "Grant it llm_user, for calls to models, pgbackground_role, for background SQL, or"
              + " pgoffload_operator, for running pgoffload.");
    }
    if (!Query.exists(
        connection,
        "select from pg_catalog.pg_class where relname = 'setting'"
            + " and relnamespace = (select n.oid from pg_catalog.pg_namespace n"
            + " where n.nspname = 'pgoffload')")) {
      throw notInstalled();
    }
    var publicSchema =
        Query.first(
                connection,
                "select value from pgoffload.setting where name = 'public_schema'",
                row -> row.getString(1))
            .orElseThrow(SignIn::notInstalled);
    return new Login(new RoleDatabase(address, publicSchema, places), rights);
  }

  private static SignInException notInstalled() {
    return new SignInException(
        "3F000",
        "pgoffload is not installed in this database.",
        "Run pgoffload install, or correct PGOFFLOAD_CONSOLE_DATABASE_URL.");
  }

  private void requireCheckedPassword(Connection connection, String role) throws SQLException {
    if (connection.getMetaData().getDatabaseMajorVersion() >= 16) {
      var method =
          Query.row(
              connection,
              "select pg_catalog.split_part(coalesce(system_user, ''), ':', 1)",
              row -> row.getString(1));
      if (!BY_PASSWORD.contains(method)) {
        throw unchecked();
      }
      return;
    }
    try (var _ =
        place
            .as(role, Secret.of(tokens.newId()))
            .connect(APPLICATION, PATIENCE.multipliedBy(2), PATIENCE)) {
      throw unchecked();
    } catch (SQLException e) {
      if (!DatabaseFault.isOfClass(e, "28")) {
        throw e;
      }
    }
  }

  private static SignInException unchecked() {
    return new SignInException(
        "28000",
        "The server asks this role for no password, so that anybody could sign in as it.",
        "Give the role's line in pg_hba.conf, for the console's address, the method scram-sha-256.");
  }

  private static SignInException refusal(SQLException e) {
    var code = String.valueOf(e.getSQLState());
    if (DatabaseFault.is(e, "28P01")) {
      return new SignInException(code, "Role or password is wrong.", "Roles are case-sensitive.");
    }
    if (DatabaseFault.isOfClass(e, "28")) {
      return new SignInException(
          code,
          "The server does not let this role in from here.",
          "The role needs LOGIN, and a line in pg_hba.conf for the console's address.");
    }
    if (DatabaseFault.is(e, "3D000")) {
      return notInstalled();
    }
    if (DatabaseFault.isConnectionLost(e)) {
      return new SignInException(
          code,
          "The database does not answer.",
          "Look whether the server runs, and whether PGOFFLOAD_CONSOLE_DATABASE_URL leads to it.");
    }
    return new SignInException(
        code, "The server has refused the session.", "The console's log and the server's say why.");
  }
}
