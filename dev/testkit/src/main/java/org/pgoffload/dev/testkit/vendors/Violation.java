package org.pgoffload.dev.testkit.vendors;

/// A request is not as the vendor documents it.
final class Violation extends Exception {
  private final String words;

  Violation(String message) {
    super(message);
    this.words = message;
  }

  /// The words of the vendor.
  String words() {
    return words;
  }
}
