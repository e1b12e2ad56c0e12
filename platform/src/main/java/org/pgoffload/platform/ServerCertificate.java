package org.pgoffload.platform;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Pattern;
import org.pgoffload.protocol.Secret;

/// A server's certificate with its key, from PEM. Its text form has neither.
public final class ServerCertificate {
  private static final Pattern KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");

  private final KeyStore keys;

  private ServerCertificate(KeyStore keys) {
    this.keys = keys;
  }

  /// Reads a chain and a key.
  ///
  /// @param chain the certificate, then those that signed it
  /// @param key in PKCS #8, without a password
  /// @throws IllegalArgumentException with what is wrong, without anything of the key
  public static ServerCertificate read(Secret chain, Secret key) {
    try {
      var certificates =
          List.copyOf(
              CertificateFactory.getInstance("X.509")
                  .generateCertificates(
                      new ByteArrayInputStream(chain.reveal().getBytes(StandardCharsets.UTF_8))));
      if (certificates.isEmpty()) {
        throw new IllegalArgumentException("there is no certificate in PEM");
      }
      var keys = KeyStore.getInstance("PKCS12");
      keys.load(null, null);
      keys.setKeyEntry(
          "console", key(key.reveal()), new char[0], certificates.toArray(Certificate[]::new));
      return new ServerCertificate(keys);
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalArgumentException("the certificate or its key cannot be read", e);
    }
  }

  private static PrivateKey key(String pem) throws GeneralSecurityException {
    var found = KEY.matcher(pem);
    if (!found.find()) {
      throw new IllegalArgumentException(
          "the key must be PEM of PKCS #8 without a password: openssl pkcs8 -topk8 -nodes");
    }
    var bytes = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(found.group(1)));
    for (var algorithm : List.of("RSA", "EC", "EdDSA")) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(bytes);
      } catch (InvalidKeySpecException _) {
        // of another algorithm
      }
    }
    throw new IllegalArgumentException("the key is none of RSA, EC or EdDSA");
  }

  /// For a server that speaks TLS, without a password.
  public KeyStore keys() {
    return keys;
  }

  @Override
  public String toString() {
    return "ServerCertificate";
  }
}
