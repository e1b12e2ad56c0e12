package org.pgoffload.worker.delivery.scheduling;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// Names that users choose, of a length that a million of them may have in memory.
public final class ShortName {
  private static final int LONGEST = 64;

  private ShortName() {}

  /// The name itself, or what stands for a longer one and for no other.
  public static String of(String name) {
    if (name.length() <= LONGEST) {
      return name;
    }
    try {
      var digest =
          MessageDigest.getInstance("SHA-256").digest(name.getBytes(StandardCharsets.UTF_8));
      return "sha256:" + HexFormat.of().formatHex(digest, 0, 24);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
