package org.pgoffload.console.signin;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/// The ids of sessions, 256 random bits each, and the tokens that belong to them: a form's proof
/// that the console made it. A token is the HMAC of the id by a key that ends with the process, so
/// that none has to be kept.
///
/// Safe to share between threads.
public final class Tokens {
  private static final int BYTES = 32;
  private static final String HMAC = "HmacSHA256";

  private final SecureRandom random = new SecureRandom();
  private final SecretKeySpec key = new SecretKeySpec(bytes(), HMAC);

  /// A new id.
  public String newId() {
    return text(bytes());
  }

  /// The token of an id.
  public String of(String id) {
    try {
      var mac = Mac.getInstance(HMAC);
      mac.init(key);
      return text(mac.doFinal(id.getBytes(StandardCharsets.UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java runtime has " + HMAC, e);
    }
  }

  /// Whether it is the token of the id. Takes the same time for every wrong one.
  public boolean matches(@Nullable String token, String id) {
    return token != null
        && MessageDigest.isEqual(
            token.getBytes(StandardCharsets.UTF_8), of(id).getBytes(StandardCharsets.UTF_8));
  }

  private byte[] bytes() {
    var bytes = new byte[BYTES];
    random.nextBytes(bytes);
    return bytes;
  }

  private static String text(byte[] bytes) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }
}
