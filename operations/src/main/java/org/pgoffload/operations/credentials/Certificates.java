package org.pgoffload.operations.credentials;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Set;

/// The certificates of an installation, in a directory of their own: a server's, a worker's, and
/// that of the authority that signed both. The authority's private key is kept nowhere, so they are
/// always made together. Immutable; the private keys are readable by their users alone.
public final class Certificates {

  /// The common name in the worker's certificate.
  public static final String WORKER = "pgoffload-worker";

  /// Long enough for an installation that is started once a month.
  static final Duration RENEWAL = Duration.ofDays(30);

  /// Held while the files are looked at and made.
  static final String LOCK = "certificates.lock";

  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rw-------");

  /// The names of a server on this machine.
  private static final List<String> OF_THIS_MACHINE =
      List.of("localhost", "127.0.0.1", "127.0.0.2", "::1");

  private final Path directory;
  private final List<String> serverNames;
  private final Duration validity;

  private Certificates(Path directory, List<String> serverNames, Duration validity) {
    this.directory = directory.toAbsolutePath().normalize();
    this.serverNames = List.copyOf(serverNames);
    this.validity = validity;
  }

  /// The certificates in the directory, which are made anew if one is missing, was laid open or
  /// expires within 30 days. A server that runs with the old ones has to be started again then.
  ///
  /// @param directory made if missing; its path must not change while a server uses it
  /// @throws UncheckedIOException if the directory cannot be used, or is being used at this moment
  public static Certificates in(Path directory) {
    return in(directory, Clock.systemUTC());
  }

  /// The same for a server elsewhere; also made anew if they do not name it.
  ///
  /// @param serverNames the names and addresses that the server is called by; not empty
  /// @param validity how long they are valid from now on when they are made
  /// @throws UncheckedIOException if the directory cannot be used, or is being used at this moment
  public static Certificates forServer(
      Path directory, List<String> serverNames, Duration validity) {
    return in(new Certificates(directory, serverNames, validity), Clock.systemUTC());
  }

  static Certificates in(Path directory, Clock clock) {
    return in(new Certificates(directory, OF_THIS_MACHINE, CertificateAuthority.VALIDITY), clock);
  }

  private static Certificates in(Certificates certificates, Clock clock) {
    try {
      Files.createDirectories(certificates.directory);
    } catch (IOException e) {
      throw unusable(certificates.directory, "cannot be created", e);
    }
    try (var channel =
            FileChannel.open(
                certificates.directory.resolve(LOCK),
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
        var _ = channel.lock()) {
      if (!certificates.serveUntil(clock.instant().plus(RENEWAL))) {
        certificates.make(clock.instant());
      }
      return certificates;
    } catch (OverlappingFileLockException e) {
      throw unusable(
          certificates.directory, "is being used by this process", new IOException("locked"));
    } catch (IOException e) {
      throw unusable(certificates.directory, "cannot hold certificates", e);
    }
  }

  private static UncheckedIOException unusable(Path directory, String why, IOException cause) {
    return new UncheckedIOException(
        "The directory of certificates " + directory + " " + why, cause);
  }

  /// Where the files are.
  public Path directory() {
    return directory;
  }

  /// The authority's certificate, PEM.
  public Path authority() {
    return directory.resolve("authority.crt");
  }

  /// The server's certificate, PEM.
  public Path serverCertificate() {
    return directory.resolve("server.crt");
  }

  /// The server's private key, PEM.
  public Path serverKey() {
    return directory.resolve("server.key");
  }

  /// The worker's certificate, PEM, with the common name `pgoffload-worker`.
  public Path workerCertificate() {
    return directory.resolve("worker.crt");
  }

  /// The worker's private key, PKCS #8 in DER, which is the form that pgjdbc reads.
  public Path workerKey() {
    return directory.resolve("worker.pk8");
  }

  private boolean serveUntil(Instant time) throws IOException {
    for (var key : List.of(serverKey(), workerKey())) {
      if (!Files.exists(key) || !Files.getPosixFilePermissions(key).equals(OWNER_ONLY)) {
        return false;
      }
    }
    for (var file : List.of(authority(), serverCertificate(), workerCertificate())) {
      if (!Files.exists(file)) {
        return false;
      }
      try (var content = Files.newInputStream(file)) {
        var certificate = CertificateFactory.getInstance("X.509").generateCertificate(content);
        ((X509Certificate) certificate).checkValidity(Date.from(time));
        if (file.equals(serverCertificate()) && !namesTheServer((X509Certificate) certificate)) {
          return false;
        }
      } catch (GeneralSecurityException e) {
        return false; // it expires, or is none
      }
    }
    return true;
  }

  private boolean namesTheServer(X509Certificate certificate) throws GeneralSecurityException {
    var names = certificate.getSubjectAlternativeNames();
    return names != null
        && names.stream()
            .map(name -> String.valueOf(name.get(1)))
            .toList()
            .containsAll(serverNames.stream().map(Certificates::asInCertificate).toList());
  }

  /// Java writes an address of version 6 in full.
  private static String asInCertificate(String name) {
    return name.equals("::1") ? "0:0:0:0:0:0:0:1" : name;
  }

  private void make(Instant now) throws IOException {
    // the server, which may run under another account, has to reach its own
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    for (var file :
        List.of(authority(), serverCertificate(), serverKey(), workerCertificate(), workerKey())) {
      Files.deleteIfExists(file);
    }
    var authority = new CertificateAuthority(now, validity);
    var server = authority.server(serverNames);
    var worker = authority.client(WORKER);
    writeKey(serverKey(), pem("PRIVATE KEY", server.key().getEncoded()));
    writeKey(workerKey(), worker.key().getEncoded());
    writeCertificate(serverCertificate(), server.certificate());
    writeCertificate(workerCertificate(), worker.certificate());
    // last, so that an interrupted run makes all of them anew
    writeCertificate(authority(), authority.certificate());
  }

  private static void writeCertificate(Path file, Certificate certificate) throws IOException {
    try {
      Files.write(file, pem("CERTIFICATE", certificate.getEncoded()));
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("a certificate that was signed has an encoding", e);
    }
  }

  private static void writeKey(Path file, byte[] content) throws IOException {
    try (var channel =
        Files.newByteChannel(
            file,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(OWNER_ONLY))) {
      var buffer = ByteBuffer.wrap(content);
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
    }
  }

  private static byte[] pem(String type, byte[] content) {
    var lines = Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII)).encodeToString(content);
    return ("-----BEGIN " + type + "-----\n" + lines + "\n-----END " + type + "-----\n")
        .getBytes(US_ASCII);
  }

  /// The directory alone, without the contents of the files.
  @Override
  public String toString() {
    return "Certificates[" + directory + "]";
  }
}
