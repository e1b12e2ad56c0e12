package org.pgoffload.dev.servers;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/// The options of a [PostgresServer]. Immutable; the `with` methods return a copy.
///
/// @param directory where the server lives: the cluster, its log and the lock; made if missing
/// @param keepData whether [PostgresServer#close()] leaves the directory in place
/// @param port on 127.0.0.1, or 0 for a free one
/// @param version of the binaries; a directory stays with the version that made it
/// @param superuserPassword of `postgres`, set when the cluster is made and not changed by later
///   starts; never logged and not part of [#toString()]
/// @param settings of postgresql.conf, which win over the module's own
/// @param authentication lines for pg_hba.conf and pg_ident.conf, beside the module's own
/// @param endWithJvm whether a shutdown hook ends the server, without an order among the hooks;
///   false for a caller that closes everything in its own order at exit
public record PostgresOptions(
    Path directory,
    boolean keepData,
    int port,
    PostgresVersion version,
    String superuserPassword,
    Map<String, String> settings,
    Authentication authentication,
    boolean endWithJvm) {

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
    directory = directory.toAbsolutePath().normalize();
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
    return new PostgresOptions(
        directory,
        true,
        0,
        PostgresVersion.V18,
        superuserPassword,
        Map.of(),
        Authentication.NONE,
        true);
  }

  /// PostgreSQL 18 in a new directory that is removed on close, on any free port.
  public static PostgresOptions temporary(String superuserPassword) {
    return kept(Directories.temporary("pgoffload-postgres-"), superuserPassword)
        .withKeepData(false);
  }

  /// A copy that keeps or removes its data on close.
  public PostgresOptions withKeepData(boolean keepData) {
    return new PostgresOptions(
        directory,
        keepData,
        port,
        version,
        superuserPassword,
        settings,
        authentication,
        endWithJvm);
  }

  /// A copy with another port.
  public PostgresOptions withPort(int port) {
    return new PostgresOptions(
        directory,
        keepData,
        port,
        version,
        superuserPassword,
        settings,
        authentication,
        endWithJvm);
  }

  /// A copy for another version.
  public PostgresOptions withVersion(PostgresVersion version) {
    return new PostgresOptions(
        directory,
        keepData,
        port,
        version,
        superuserPassword,
        settings,
        authentication,
        endWithJvm);
  }

  /// A copy with these settings instead.
  public PostgresOptions withSettings(Map<String, String> settings) {
    return new PostgresOptions(
        directory,
        keepData,
        port,
        version,
        superuserPassword,
        settings,
        authentication,
        endWithJvm);
  }

  /// A copy with these lines of pg_hba.conf, and the maps of pg_ident.conf that they name.
  public PostgresOptions withAuthentication(List<String> hbaLines, List<String> identLines) {
    var authentication = new Authentication(hbaLines, identLines);
    return new PostgresOptions(
        directory,
        keepData,
        port,
        version,
        superuserPassword,
        settings,
        authentication,
        endWithJvm);
  }

  /// A copy that is or is not ended by a shutdown hook.
  public PostgresOptions withEndWithJvm(boolean endWithJvm) {
    return new PostgresOptions(
        directory,
        keepData,
        port,
        version,
        superuserPassword,
        settings,
        authentication,
        endWithJvm);
  }

  /// Everything but the password.
  @Override
  public String toString() {
    return "PostgresOptions[PostgreSQL "
        + version.major()
        + ", directory "
        + directory
        + ", port "
        + port
        + ", keepData "
        + keepData
        + "]";
  }
}
