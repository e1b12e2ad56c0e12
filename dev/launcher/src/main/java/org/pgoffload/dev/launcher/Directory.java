package org.pgoffload.dev.launcher;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.pgoffload.platform.ConfigurationException;

/// The directory of a local installation.
final class Directory {
  private static final Set<PosixFilePermission> OWNERS =
      PosixFilePermissions.fromString("rwx------");

  /// Kafka's, below that of the installation.
  static final String KAFKA = "kafka";

  private Directory() {}

  /// Makes the directory of an installation, which no other user can look into: it has passwords,
  /// keys, prompts and answers. An existing directory becomes private as well.
  ///
  /// @throws ConfigurationException if it holds other files that others can read: they are not ours
  ///   to hide
  static Path create(Path directory) {
    var made = directory.toAbsolutePath().normalize();
    try {
      if (Files.isDirectory(made) && !isHidden(made) && !isOurs(made)) {
        throw new ConfigurationException(
            List.of(
                "--data-dir: "
                    + made
                    + " holds other files, and others can read it: give a directory of its own"));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("directory " + made + " cannot be read", e);
    }
    return hidden(made);
  }

  /// Makes a directory private, and makes it first if it is missing: no other user can look into
  /// it.
  static Path hidden(Path directory) {
    try {
      Files.createDirectories(directory);
      if (!isHidden(directory)) {
        Files.setPosixFilePermissions(directory, OWNERS);
      }
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(
          "directory " + directory + " cannot be made for its owner alone", e);
    }
  }

  /// Lets another account reach by its name what it owns below a directory: where root has
  /// PostgreSQL run as an ordinary user.
  static void letPass(Path directory) {
    try {
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx--x--x"));
    } catch (IOException e) {
      throw new UncheckedIOException("directory " + directory + " cannot be opened", e);
    }
  }

  private static boolean isHidden(Path directory) throws IOException {
    try {
      return OWNERS.containsAll(Files.getPosixFilePermissions(directory));
    } catch (UnsupportedOperationException e) {
      return true; // a file system without permissions
    }
  }

  /// An empty one will be.
  private static boolean isOurs(Path directory) throws IOException {
    try (var files = Files.list(directory)) {
      var names = files.map(file -> file.getFileName().toString()).toList();
      return names.isEmpty() || names.contains(LocalCredentials.FILE) || names.contains(KAFKA);
    }
  }

  static Path temporary() {
    try {
      return Files.createTempDirectory("pgoffload-");
    } catch (IOException e) {
      throw new UncheckedIOException("no temporary directory can be made", e);
    }
  }

  static void delete(Path directory) throws IOException {
    try (var files = Files.walk(directory)) {
      for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }
}
