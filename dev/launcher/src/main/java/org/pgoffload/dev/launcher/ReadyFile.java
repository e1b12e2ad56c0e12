package org.pgoffload.dev.launcher;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;

/// Tells another program that everything answers, and where: a JSON object with `postgres_url`,
/// `admin_url`, `kafka_bootstrap`, `prefix`, `console_url` and `env`. It holds passwords, so its
/// owner alone can read it. It appears whole, or not at all.
final class ReadyFile {
  private ReadyFile() {}

  /// Removes the file of an earlier run, whose addresses must not be read.
  static void remove(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException("the ready file " + file + " cannot be removed", e);
    }
  }

  static void write(Path file, LocalInstallation installation) {
    var content = new LinkedHashMap<String, Object>();
    if (installation.hasPostgres()) {
      content.put("postgres_url", installation.applicationUri());
      content.put("admin_url", installation.adminUri());
    }
    content.put("kafka_bootstrap", installation.kafkaBootstrap());
    content.put("prefix", installation.topics().prefix());
    if (installation.consoleUrl() != null) {
      content.put("console_url", installation.consoleUrl());
    }
    content.put("env", installation.joiningEnvironment());
    try {
      var absolute = file.toAbsolutePath();
      var unfinished =
          Files.createTempFile(
              absolute.getParent(),
              ".pgoffload-ready",
              ".json",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      new ObjectMapper().writerWithDefaultPrettyPrinter().writeValue(unfinished.toFile(), content);
      Files.move(
          unfinished,
          absolute,
          StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException("the ready file " + file + " cannot be written", e);
    }
  }
}
