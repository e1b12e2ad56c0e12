package org.pgoffload.operations.credentials;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Makes the credentials of an installation in containers: a password for each role, and
/// certificates. All of them are kept in the directory `kept`; beside it each reader has a
/// directory with only the files that it needs. Idempotent: existing credentials stay.
///
/// @param directory above these directories
/// @param serverNames the names of PostgreSQL's server
/// @param validity of the certificates, when they are made
/// @param postgresUser numeric id of the user that owns PostgreSQL's files; null for the user that
///   runs this
/// @param partsUser the same for the files of the parts
public record MakeCredentials(
    Path directory,
    List<String> serverNames,
    Duration validity,
    @Nullable Integer postgresUser,
    @Nullable Integer partsUser) {
  private static final String KEPT = "kept";
  private static final String PASSWORD = "password";

  public MakeCredentials {
    serverNames = List.copyOf(serverNames);
  }

  /// Makes the missing credentials.
  ///
  /// @return one line for each directory in which something changed
  /// @throws IOException if a directory cannot be written
  public List<String> run() throws IOException {
    Files.createDirectories(directory.resolve(KEPT));
    var certificates =
        Certificates.forServer(
            directory.resolve(KEPT).resolve("certificates"), serverNames, validity);
    var changes = new ArrayList<String>();
    for (var reader : contents(certificates).entrySet()) {
      if (hand(reader.getKey(), reader.getValue())) {
        changes.add(directory.resolve(reader.getKey()).toString());
      }
    }
    return changes;
  }

  /// The files of each reader: names and contents.
  private Map<String, Map<String, byte[]>> contents(Certificates certificates) throws IOException {
    var authority = Files.readAllBytes(certificates.authority());
    var contents = new TreeMap<String, Map<String, byte[]>>();
    contents.put(
        "postgres",
        Map.of(
            "superuser_password", password("superuser"),
            "owner_password", password("owner"),
            "app_password", password("app"),
            "authority.crt", authority,
            "server.crt", Files.readAllBytes(certificates.serverCertificate()),
            "server.key", Files.readAllBytes(certificates.serverKey())));
    contents.put(
        "owner",
        Map.of(
            PASSWORD,
            password("owner"),
            "producer_password",
            password("producer"),
            "worker_password",
            password("worker"),
            "results_password",
            password("results"),
            "authority.crt",
            authority));
    for (var part : List.of("producer", "results")) {
      contents.put(part, Map.of(PASSWORD, password(part), "authority.crt", authority));
    }
    // its readers bring their passwords
    contents.put("console", Map.of("authority.crt", authority));
    contents.put(
        "worker",
        Map.of(
            PASSWORD,
            password("worker"),
            "authority.crt",
            authority,
            "worker.crt",
            Files.readAllBytes(certificates.workerCertificate()),
            "worker.pk8",
            Files.readAllBytes(certificates.workerKey())));
    return contents;
  }

  private byte[] password(String role) throws IOException {
    var file = directory.resolve(KEPT).resolve(role + "_password");
    if (!Files.exists(file)) {
      var random = new byte[24];
      new SecureRandom().nextBytes(random);
      write(
          file,
          Base64.getUrlEncoder()
              .withoutPadding()
              .encodeToString(random)
              .getBytes(StandardCharsets.US_ASCII),
          null);
    }
    return Files.readAllBytes(file);
  }

  /// Whether anything changed.
  private boolean hand(String reader, Map<String, byte[]> files) throws IOException {
    var of = Files.createDirectories(directory.resolve(reader));
    var user = reader.equals("postgres") ? postgresUser : partsUser;
    own(of, user, "rwx------");
    boolean changed = false;
    for (var file : files.entrySet()) {
      var path = of.resolve(file.getKey());
      if (!Files.exists(path) || !Arrays.equals(Files.readAllBytes(path), file.getValue())) {
        write(path, file.getValue(), user);
        changed = true;
      }
    }
    return changed;
  }

  /// Atomic: a reader finds the old file or the new file.
  private static void write(Path file, byte[] content, @Nullable Integer user) throws IOException {
    var fresh = Files.createTempFile(file.toAbsolutePath().getParent(), ".new", null);
    Files.write(fresh, content);
    own(fresh, user, "r--------");
    try {
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static void own(Path path, @Nullable Integer user, String permissions)
      throws IOException {
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(permissions));
    if (user != null) {
      Files.setAttribute(path, "unix:uid", user);
    }
  }
}
