package org.pgoffload.dev.servers;

import com.sun.security.auth.module.UnixSystem;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where unpacked binaries are kept between starts. Immutable.
///
/// @param preferred the first of: the system property `pgoffload.cache`, `XDG_CACHE_HOME`,
///   `/var/cache` for root (other users have to be able to read it), and `.cache` below `HOME` or
///   the system property `user.home`; empty if none of them names an absolute directory
/// @param named whether it was the system property, which is then not replaced by another directory
/// @param fallback a directory of this user's own among the temporary files
record BinariesCache(Optional<Path> preferred, boolean named, Path fallback) {

  static final String PROPERTY = "pgoffload.cache";

  private static final Logger log = LoggerFactory.getLogger(BinariesCache.class);

  /// That of this process.
  static BinariesCache detect() {
    return of(
        System.getProperty(PROPERTY),
        System.getenv(),
        System.getProperty("user.home"),
        System.getProperty("java.io.tmpdir"),
        new UnixSystem().getUid());
  }

  static BinariesCache of(
      @Nullable String named,
      Map<String, String> environment,
      @Nullable String userHome,
      String temporary,
      long user) {
    var fallback = Path.of(temporary, "pgoffload-cache-" + user);
    if (named != null && !named.isBlank()) {
      return new BinariesCache(Optional.of(Path.of(named)), true, fallback);
    }
    var preferred =
        Stream.of(
                absolute(environment.get("XDG_CACHE_HOME")),
                user == 0 ? Optional.of(Path.of("/var/cache")) : Optional.<Path>empty(),
                absolute(environment.get("HOME")).map(home -> home.resolve(".cache")),
                // A JVM whose user the system does not know says "?", which is no directory.
                absolute(userHome).map(home -> home.resolve(".cache")))
            .flatMap(Optional::stream)
            .findFirst()
            .map(cache -> cache.resolve("pgoffload"));
    return new BinariesCache(preferred, false, fallback);
  }

  /// Has `use` work in the preferred directory or, if that cannot be used and nobody named it, in
  /// the fallback. What `use` only reads need not be writable.
  ///
  /// @throws EmbeddedException with DIRECTORY_UNUSABLE if there is no directory to use
  <T> T in(Function<Path, T> use) {
    if (preferred.isPresent()) {
      try {
        return use.apply(preferred.get());
      } catch (EmbeddedException e) {
        if (e.code() != EmbeddedException.Code.DIRECTORY_UNUSABLE) {
          throw e;
        }
        if (named) {
          throw noCache(e);
        }
        log.warn("{}: PostgreSQL is unpacked into {} instead", e.getMessage(), fallback);
      }
    }
    try {
      ownFallback();
      return use.apply(fallback);
    } catch (EmbeddedException e) {
      throw e.code() == EmbeddedException.Code.DIRECTORY_UNUSABLE ? noCache(e) : e;
    }
  }

  /// Anybody may make a directory of that name before we do, and programs are run from it.
  private void ownFallback() {
    try {
      try {
        Files.createDirectory(
            fallback,
            // Others may have to read it: the server of a root runs as another user.
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
      } catch (FileAlreadyExistsException e) {
        var permissions = Files.getPosixFilePermissions(fallback, LinkOption.NOFOLLOW_LINKS);
        if (!Files.isDirectory(fallback, LinkOption.NOFOLLOW_LINKS)
            || !Files.getAttribute(fallback, "unix:uid", LinkOption.NOFOLLOW_LINKS)
                .equals((int) new UnixSystem().getUid())
            || permissions.contains(PosixFilePermission.GROUP_WRITE)
            || permissions.contains(PosixFilePermission.OTHERS_WRITE)) {
          throw new EmbeddedException(
              EmbeddedException.Code.DIRECTORY_UNUSABLE,
              fallback + " is not a directory that belongs to this user alone");
        }
      }
    } catch (IOException e) {
      throw Directories.unusable(fallback, "cannot be created", e);
    }
  }

  private static EmbeddedException noCache(EmbeddedException cause) {
    return new EmbeddedException(
        EmbeddedException.Code.DIRECTORY_UNUSABLE,
        "PostgreSQL cannot be unpacked: "
            + cause.getMessage()
            + ". Name a directory that can be written with -D"
            + PROPERTY
            + "=DIR.",
        cause);
  }

  private static Optional<Path> absolute(@Nullable String directory) {
    return Optional.ofNullable(directory).map(Path::of).filter(Path::isAbsolute);
  }
}
