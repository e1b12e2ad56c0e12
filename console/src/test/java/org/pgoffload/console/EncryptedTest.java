package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.Objects;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.console.web.Listen;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.ServerCertificate;
import org.pgoffload.protocol.Secret;

/// The console by TLS.
final class EncryptedTest {
  private static final String PASSWORD = "changeit";

  @TempDir private Path directory;

  private KeyStore keys(String algorithm) throws Exception {
    var file = directory.resolve(algorithm + ".p12");
    var keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "console",
                "-keyalg",
                algorithm,
                "-dname",
                "CN=localhost",
                "-ext",
                "san=dns:localhost",
                "-keystore",
                file.toString(),
                "-storetype",
                "PKCS12",
                "-storepass",
                PASSWORD)
            .inheritIO()
            .start();
    assertThat(keytool.waitFor()).isZero();
    var keys = KeyStore.getInstance("PKCS12");
    try (var in = Files.newInputStream(file)) {
      keys.load(in, PASSWORD.toCharArray());
    }
    return keys;
  }

  private static Secret pem(String what, byte[] content) {
    return Secret.of(
        "-----BEGIN %s-----\n%s\n-----END %s-----\n"
            .formatted(what, Base64.getMimeEncoder().encodeToString(content), what));
  }

  private static ServerCertificate certificate(KeyStore keys) throws GeneralSecurityException {
    return ServerCertificate.read(
        pem("CERTIFICATE", keys.getCertificate("console").getEncoded()),
        pem(
            "PRIVATE KEY",
            Objects.requireNonNull(keys.getKey("console", PASSWORD.toCharArray()).getEncoded())));
  }

  @Test
  void servesByTlsWithCookiesForTlsAlone() throws Exception {
    for (var algorithm : new String[] {"RSA", "EC"}) {
      var keys = keys(algorithm);
      var configuration =
          new ConsoleConfiguration(
              new DatabaseAddress("127.0.0.1", 1, "d", "nobody", null, java.util.Map.of()),
              new Listen("127.0.0.1", 0, certificate(keys), null),
              false,
              false,
              null);
      try (var console = ConsoleApp.start(configuration);
          var http = HttpClient.newBuilder().sslContext(trusting(keys)).build()) {
        assertThat(console.url()).startsWith("https://127.0.0.1:");
        var port = URI.create(console.url()).getPort();
        var reply =
            http.send(
                HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/signin")).build(),
                BodyHandlers.ofString());
        assertThat(reply.statusCode()).isEqualTo(200);
        assertThat(reply.headers().firstValue("Set-Cookie").orElse(""))
            .startsWith("__Host-pgoffload_")
            .contains("Secure");
        assertThat(reply.headers().firstValue("Strict-Transport-Security")).isPresent();
        var cookie = reply.headers().firstValue("Set-Cookie").orElse("").replaceFirst(";.*", "");
        var token = reply.body().replaceAll("(?s).*name=\"token\" value=\"([^\"]+)\".*", "$1");
        var out =
            http.send(
                HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/signout"))
                    .header("Cookie", cookie)
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .POST(HttpRequest.BodyPublishers.ofString("token=" + token))
                    .build(),
                BodyHandlers.ofString());
        assertThat(out.statusCode()).isEqualTo(303);
        // a browser removes a __Host- cookie by one with its attributes alone
        assertThat(out.headers().firstValue("Set-Cookie").orElse(""))
            .startsWith("__Host-pgoffload_")
            .contains("Expires=Thu, 01 Jan 1970", "Secure", "Path=/");
      }
    }
  }

  @Test
  void isSecureWithACertificateWhateverTheUrlSays() throws Exception {
    var url = URI.create("http://console.example/");
    assertThat(new Listen("127.0.0.1", 0, certificate(keys("EC")), url).isSecure()).isTrue();
    assertThat(new Listen("127.0.0.1", 0, null, url).isSecure()).isFalse();
    assertThat(new Listen("127.0.0.1", 0, null, URI.create("https://console.example/")).isSecure())
        .isTrue();
  }

  private static SSLContext trusting(KeyStore keys) throws GeneralSecurityException, IOException {
    var trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("console", keys.getCertificate("console"));
    var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(trusted);
    var context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }

  @Test
  void saysWhatIsWrongWithACertificateAndNothingOfTheKey() {
    assertThatThrownBy(
            () -> ServerCertificate.read(Secret.of("x"), pem("RSA PRIVATE KEY", new byte[] {42})))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("Kg==");
  }
}
