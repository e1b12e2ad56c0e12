package org.pgoffload.protocol;

import java.util.HexFormat;
import java.util.regex.Pattern;

/// A request's signature: which key signed it, and the HMAC-SHA256 over the envelope's bytes.
///
/// @param keyId the key's id in the database's key table
/// @param mac 64 lower-case hexadecimal digits
public record Signature(int keyId, String mac) {
  private static final Pattern FORM = Pattern.compile("(\\d{1,9}):([0-9a-f]{64})");

  public Signature {
    if (keyId < 0 || !isHexOf64(mac)) {
      throw new IllegalArgumentException("a signature is a key id and 64 hexadecimal digits");
    }
  }

  /// Reads the text form, `<key id>:<mac>`.
  ///
  /// @throws MalformedMessageException if the text has another form
  public static Signature parse(String text) {
    var matcher = FORM.matcher(text);
    if (!matcher.matches()) {
      throw new MalformedMessageException(
          DeadLetterReason.MALFORMED, "the signature is not of the form <key id>:<64 hex digits>");
    }
    return new Signature(Integer.parseInt(matcher.group(1)), matcher.group(2));
  }

  /// The text form that [#parse(String)] reads.
  public String text() {
    return keyId + ":" + mac;
  }

  /// By hand, because it is asked for every request.
  private static boolean isHexOf64(String mac) {
    return mac.length() == 64
        && mac.chars().allMatch(c -> (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
  }

  byte[] bytes() {
    return HexFormat.of().parseHex(mac);
  }
}
