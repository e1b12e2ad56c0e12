package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/// A certificate for localhost that no other context trusts, made once for all tests by the JDK's
/// keytool, so that no private key lies in the sources.
public final class SelfSigned {
  /// Of the file.
  public static final String PASSWORD = "of-no-use";

  /// Has the certificate and its key.
  public static final Path FILE;

  public static final SSLContext CONTEXT;

  static {
    try {
      FILE = make();
      CONTEXT = context();
    } catch (IOException | InterruptedException | GeneralSecurityException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private SelfSigned() {}

  private static Path make() throws IOException, InterruptedException {
    var directory = Files.createTempDirectory("self-signed-");
    directory.toFile().deleteOnExit();
    var file = directory.resolve("localhost.p12");
    file.toFile().deleteOnExit();
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
    return file;
  }

  private static SSLContext context() throws IOException, GeneralSecurityException {
    var store = KeyStore.getInstance("PKCS12");
    try (var bytes = Files.newInputStream(FILE)) {
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
