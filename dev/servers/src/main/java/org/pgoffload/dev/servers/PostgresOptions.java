package org.pgoffload.dev.servers;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/// The options of a [PostgresServer]. Immutable; the `with` methods return a copy.
///
/// @param home where the cluster, its log and the lock are
/// @param port on 127.0.0.1, or 0 for a free one
/// @param version of the binaries; a directory stays with the version that made it
/// @param superuserPassword of `postgres`, set when the cluster is made and not changed by later
///   starts; never logged and not part of [#toString()]
/// @param settings of postgresql.conf, which win over the module's own
/// @param authentication lines for pg_hba.conf and pg_ident.conf, beside the module's own
public record PostgresOptions(
    ServerHome home,
    int port,
    PostgresVersion version,
    String superuserPassword,
    Map<String, String> settings,
    Authentication authentication) {

  /// Lines for the server's files of authentication.
  ///
  /// @param hbaLines of pg_hba.conf, which come before the module's own: the first match decides
  /// @param identLines of pg_ident.conf, for the maps that `hbaLines` name
  record Authentication(List<String> hbaLines, List<String> identLines) {
    static final Authentication NONE = new Authentication(List.of(), List.of());

    Authentication {
      hbaLines = List.copyOf(hbaLines);
      identLines = List.copyOf(identLines);
    }
  }

  private static final Pattern SETTING = Pattern.compile("[A-Za-z_][A-Za-z0-9_.]*");

  public PostgresOptions {
    settings = Map.copyOf(settings);
    if (port < 0 || port > 65_535) {
      throw new IllegalArgumentException("The port has to be 0 (any free one) to 65535: " + port);
    }
    if (superuserPassword.isBlank() || superuserPassword.lines().count() > 1) {
      throw new IllegalArgumentException("The superuser's password has to be one line of text.");
    }
    for (var name : settings.keySet()) {
      if (!SETTING.matcher(name).matches()) {
        throw new IllegalArgumentException("This is not the name of a setting: " + name);
      }
    }
  }

  /// PostgreSQL 18 in a directory that outlives it, on any free port.
  public static PostgresOptions kept(Path directory, String superuserPassword) {
    return of(ServerHome.kept(directory), superuserPassword);
  }

  /// PostgreSQL 18 in a new directory that is removed on close, on any free port.
  public static PostgresOptions temporary(String superuserPassword) {
    return of(ServerHome.temporary("pgoffload-postgres-"), superuserPassword);
  }

  private static PostgresOptions of(ServerHome home, String superuserPassword) {
    return new PostgresOptions(
        home, 0, PostgresVersion.V18, superuserPassword, Map.of(), Authentication.NONE);
  }

  /// A copy with another port.
  public PostgresOptions withPort(int port) {
    return new PostgresOptions(home, port, version, superuserPassword, settings, authentication);
  }

  /// A copy for another version.
  public PostgresOptions withVersion(PostgresVersion version) {
    return new PostgresOptions(home, port, version, superuserPassword, settings, authentication);
  }

  /// A copy with these settings instead.
  public PostgresOptions withSettings(Map<String, String> settings) {
    return new PostgresOptions(home, port, version, superuserPassword, settings, authentication);
  }

  /// A copy with these lines of pg_hba.conf, and the maps of pg_ident.conf that they name.
  public PostgresOptions withAuthentication(List<String> hbaLines, List<String> identLines) {
    var authentication = new Authentication(hbaLines, identLines);
    return new PostgresOptions(home, port, version, superuserPassword, settings, authentication);
  }

  /// A copy that is or is not ended by a shutdown hook.
  public PostgresOptions withEndWithJvm(boolean endWithJvm) {
    var home = this.home.withEndWithJvm(endWithJvm);
    return new PostgresOptions(home, port, version, superuserPassword, settings, authentication);
  }

  /// Where the server lives.
  public Path directory() {
    return home.directory();
  }

  /// Everything but the password.
  @Override
  public String toString() {
    return "PostgresOptions[PostgreSQL "
        + version.major()
        + ", directory "
        + directory()
        + ", port "
        + port
        + ", keepData "
        + home.keepData()
        + "]";
  }
}
