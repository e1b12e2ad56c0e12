package org.pgoffload.launcher;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// This build's version, and what else is known of it, from the build.
final class Version implements CommandLine.IVersionProvider {
  /// The version, such as `0.1.0`.
  static String text() {
    return facts().getProperty("version");
  }

  /// The commit it was built of, or null: only a release says so.
  static @Nullable String commit() {
    var commit = known("commit");
    return commit != null && "true".equals(known("dirty")) ? commit + ", changed" : commit;
  }

  /// What the build did not know has stayed the name of a property, or is empty.
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

  /// First the version alone, for scripts; then of what and on what it runs.
  @Override
  public String[] getVersion() {
    var commit = commit();
    return new String[] {
      "pgoffload " + text(),
      (commit == null ? "" : "commit " + commit + ", ")
          + "Java "
          + Runtime.version()
          + ", "
          + System.getProperty("os.name")
          + " "
          + System.getProperty("os.arch")
    };
  }
}
