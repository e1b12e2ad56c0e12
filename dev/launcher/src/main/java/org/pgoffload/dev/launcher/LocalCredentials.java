package org.pgoffload.dev.launcher;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Properties;
import org.pgoffload.protocol.Secret;

/// The passwords of a local installation's database roles: random, made with the installation, kept
/// in a file that its owner alone can read.
final class LocalCredentials {
  static final String FILE = "credentials.properties";
  private static final String[] ROLES = {
    "postgres", "app", "pgoffload_producer", "pgoffload_worker", "pgoffload_results"
  };

  private final Properties passwords;

  private LocalCredentials(Properties passwords) {
    this.passwords = passwords;
  }

  /// Reads the directory's credentials, or makes them.
  static LocalCredentials of(Path directory) {
    var file = directory.resolve(FILE);
    var passwords = new Properties();
    try {
      if (Files.exists(file)) {
        try (var reader = Files.newBufferedReader(file)) {
          passwords.load(reader);
        }
      } else {
        for (var role : ROLES) {
          passwords.setProperty(role, random());
        }
        create(file);
        try (var writer = Files.newBufferedWriter(file)) {
          passwords.store(writer, "Passwords of this installation's database roles");
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("the credentials in " + file + " cannot be kept", e);
    }
    return new LocalCredentials(passwords);
  }

  Secret password(String role) {
    return Secret.of(passwords.getProperty(role));
  }

  private static void create(Path file) throws IOException {
    try {
      Files.createFile(
          file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    } catch (UnsupportedOperationException e) {
      Files.createFile(file);
    } catch (FileAlreadyExistsException e) {
      throw new IOException("made by another process at the same time", e);
    }
  }

  private static String random() {
    var bytes = new byte[18];
    new SecureRandom().nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }
}
