package org.pgoffload.platform.hosting;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/// The version of this build, with its commit and date if the build knew them.
public final class Version {
  private Version() {}

  /// The version, such as `0.1.0`.
  public static String text() {
    return facts().getProperty("version");
  }

  /// The commit it was built of, or null: only a release says so.
  public static @Nullable String commit() {
    var commit = known("commit");
    return commit != null && "true".equals(known("dirty")) ? commit + ", changed" : commit;
  }

  /// A value that the build did not know is still the name of a property, or is empty.
  private static @Nullable String known(String name) {
    var value = facts().getProperty(name, "");
    return value.isBlank() || value.startsWith("${") ? null : value;
  }

  private static Properties facts() {
    try (var file = Version.class.getResourceAsStream("build.properties")) {
      var properties = new Properties();
      properties.load(file);
      return properties;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
