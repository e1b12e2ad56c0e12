package org.pgoffload.launcher;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine;

/// This build's version, from the build.
final class Version implements CommandLine.IVersionProvider {
  /// The version, such as `0.1.0`.
  static String text() {
    try (var file = Version.class.getResourceAsStream("build.properties")) {
      var properties = new Properties();
      properties.load(file);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String[] getVersion() {
    return new String[] {"pgoffload " + text()};
  }
}
