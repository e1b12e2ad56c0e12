package org.pgoffload.platform.hosting;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// The contents of files that variables name and that are read at the start: passwords, keys, the
/// stores of Kafka's client, and the certificate of a service principal in Azure. Files that are
/// read at each login are not among them: pgjdbc's (`PGPASSFILE`, certificates), and the token that
/// Kubernetes replaces every hour for a workload's identity. Immutable; knows digests alone.
///
/// @param digests by the variable
record SecretFiles(Map<String, String> digests) {
  private static final Pattern NAMES =
      Pattern.compile(
          "(?!AZURE_FEDERATED_TOKEN_FILE$).+_FILE|KAFKA_SSL_(TRUST|KEY)STORE_LOCATION"
              + "|AZURE_CLIENT_CERTIFICATE_PATH");

  SecretFiles {
    digests = Map.copyOf(digests);
  }

  /// Reads them; one that cannot be read is one that has changed.
  static SecretFiles read(Map<String, String> environment) {
    var digests = new TreeMap<String, String>();
    environment.forEach((name, value) -> {
      if (NAMES.matcher(name).matches() && !value.isBlank()) {
        digests.put(name, digest(value));
      }
    });
    return new SecretFiles(digests);
  }

  private static String digest(String file) {
    try {
      var sha256 = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(sha256.digest(Files.readAllBytes(Path.of(file))));
    } catch (IOException | InvalidPathException e) {
      return "unreadable";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java runtime has SHA-256", e);
    }
  }
}
