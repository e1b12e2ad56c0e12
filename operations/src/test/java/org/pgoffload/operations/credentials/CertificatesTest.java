package org.pgoffload.operations.credentials;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CertificatesTest {

  private static final Instant NOW = Instant.parse("2026-11-21T12:00:00Z");

  @TempDir Path directory;

  @Test
  void leavesThePrivateKeysToTheirOwnersAndKeepsNoneOfTheAuthority() throws IOException {
    Certificates.in(directory.resolve("certificates"));
    var modes = new TreeMap<String, String>();
    try (var files = Files.list(directory.resolve("certificates"))) {
      for (var file : files.toList()) {
        modes.put(
            file.getFileName().toString(),
            PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
      }
    }
    modes.remove(Certificates.LOCK);
    assertThat(modes)
        .isEqualTo(
            Map.of(
                "authority.crt", "rw-r--r--",
                "server.crt", "rw-r--r--",
                "server.key", "rw-------",
                "worker.crt", "rw-r--r--",
                "worker.pk8", "rw-------"));
  }

  @Test
  void areSignedByTheAuthorityForTheNamesOfThisMachine() throws Exception {
    var certificates = made(NOW);
    var authority = read(certificates.authority());
    var server = read(certificates.serverCertificate());
    var worker = read(certificates.workerCertificate());
    server.verify(authority.getPublicKey());
    worker.verify(authority.getPublicKey());
    assertThat(server.getSubjectAlternativeNames().stream().map(name -> name.get(1).toString()))
        .containsExactly("localhost", "127.0.0.1", "127.0.0.2", "0:0:0:0:0:0:0:1");
    assertThat(worker.getSubjectX500Principal().getName()).isEqualTo("CN=pgoffload-worker");
    assertThat(authority.getBasicConstraints()).isZero();
    assertThat(worker.getBasicConstraints()).isEqualTo(-1);
  }

  @Test
  void areUsedAgainUntilThirtyDaysBeforeTheyExpire() throws IOException {
    made(NOW);
    var first = contents();
    var last = NOW.plus(CertificateAuthority.VALIDITY).minus(Certificates.RENEWAL);
    made(last);
    assertThat(contents()).isEqualTo(first);
    made(last.plus(Duration.ofSeconds(1)));
    assertThat(contents()).hasSameSizeAs(first).doesNotContainValue(first.get("authority.crt"));
  }

  @Test
  void areMadeAnewTogetherWhenOneIsMissing() throws IOException {
    var certificates = made(NOW);
    var first = contents();
    Files.delete(certificates.serverCertificate());
    made(NOW);
    assertThat(contents()).hasSameSizeAs(first).doesNotContainValue(first.get("worker.pk8"));
  }

  @Test
  void areMadeAnewWhenAKeyWasLaidOpen() throws IOException {
    var certificates = made(NOW);
    var first = contents();
    Files.setPosixFilePermissions(
        certificates.workerKey(), PosixFilePermissions.fromString("rw-r--r--"));
    made(NOW);
    assertThat(contents()).doesNotContainValue(first.get("worker.pk8"));
  }

  @Test
  void nameAServerElsewhereAndAreMadeAnewForAnotherName() throws Exception {
    var year = Duration.ofDays(365);
    var certificates = Certificates.forServer(directory, List.of("db", "10.0.0.7"), year);
    assertThat(
            read(certificates.serverCertificate()).getSubjectAlternativeNames().stream()
                .map(name -> name.get(1).toString()))
        .containsExactly("db", "10.0.0.7");
    var first = contents();
    Certificates.forServer(directory, List.of("10.0.0.7"), year);
    assertThat(contents()).isEqualTo(first);
    Certificates.forServer(directory, List.of("db", "other"), year);
    assertThat(contents()).doesNotContainValue(first.get("server.crt"));
  }

  private Certificates made(Instant now) {
    return Certificates.in(directory, Clock.fixed(now, ZoneOffset.UTC));
  }

  private Map<String, String> contents() throws IOException {
    var contents = new TreeMap<String, String>();
    try (var files = Files.list(directory)) {
      for (var file : files.toList()) {
        contents.put(
            file.getFileName().toString(),
            Base64.getEncoder().encodeToString(Files.readAllBytes(file)));
      }
    }
    return contents;
  }

  private static X509Certificate read(Path file) throws Exception {
    try (var content = Files.newInputStream(file)) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(content);
    }
  }
}
