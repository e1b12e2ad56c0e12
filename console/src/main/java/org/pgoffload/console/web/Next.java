package org.pgoffload.console.web;

/// Where a reader is sent after an action.
///
/// @param path of the console, with its query
/// @param notice what was done, shown there once; or empty
public record Next(String path, String notice) {
  public Next {
    if (!path.startsWith("/") || path.startsWith("//")) {
      throw new IllegalArgumentException("not a path of the console");
    }
  }

  /// To a page that shows by itself what was done.
  public static Next to(String path) {
    return new Next(path, "");
  }
}
