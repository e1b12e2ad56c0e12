package org.pgoffload.protocol;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// The keys with which the database signs requests, by key id: what a worker trusts.
///
/// Immutable and safe to share between threads.
public final class SigningKeys {
  private static final String ALGORITHM = "HmacSHA256";

  private final Map<Integer, SecretKeySpec> keys;

  private SigningKeys(Map<Integer, SecretKeySpec> keys) {
    this.keys = Map.copyOf(keys);
  }

  /// Keys as they stand in the database, each in hexadecimal digits.
  public static SigningKeys ofHex(Map<Integer, Secret> hexKeys) {
    var keys = new java.util.HashMap<Integer, SecretKeySpec>();
    hexKeys.forEach((id, key) ->
        keys.put(id, new SecretKeySpec(HexFormat.of().parseHex(key.reveal()), ALGORITHM)));
    return new SigningKeys(keys);
  }

  /// Whether a key of this id is known. An unknown one may be newer than this set: read the keys
  /// again before refusing.
  public boolean knows(int keyId) {
    return keys.containsKey(keyId);
  }

  /// Whether the signature was made with one of these keys over exactly these bytes. Takes the same
  /// time for every wrong signature.
  public boolean verify(byte[] envelope, Signature signature) {
    var key = keys.get(signature.keyId());
    return key != null && MessageDigest.isEqual(mac(key, envelope), signature.bytes());
  }

  private static byte[] mac(SecretKeySpec key, byte[] envelope) {
    try {
      var mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      return mac.doFinal(envelope);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java runtime has " + ALGORITHM, e);
    }
  }

  @Override
  public String toString() {
    return "SigningKeys" + keys.keySet();
  }
}
