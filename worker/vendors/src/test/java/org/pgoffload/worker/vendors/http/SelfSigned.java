package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/// A certificate for localhost that nobody but this context trusts, made for the test by the JDK's
/// keytool so that no private key lies in the sources.
public final class SelfSigned {
  /// Of the file.
  public static final String PASSWORD = "of-no-use";

  private SelfSigned() {}

  /// Where [#context] leaves certificate and key.
  public static Path file(Path directory) {
    return directory.resolve("localhost.p12");
  }

  public static SSLContext context(Path directory)
      throws IOException, InterruptedException, GeneralSecurityException {
    var file = file(directory);
    var keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-keyalg",
                // Entra ID takes no other.
                "RSA",
                "-keysize",
                "2048",
                "-dname",
                "CN=vendor stub",
                "-ext",
                "san=dns:localhost,dns:vendor.example",
                "-keystore",
                file.toString(),
                "-storetype",
                "PKCS12",
                "-storepass",
                PASSWORD)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    if (keytool.waitFor() != 0) {
      throw new IOException("keytool failed");
    }
    var store = KeyStore.getInstance("PKCS12");
    try (var bytes = Files.newInputStream(file)) {
      store.load(bytes, PASSWORD.toCharArray());
    }
    var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, PASSWORD.toCharArray());
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    var context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }
}
