package org.pgoffload.launcher;

import org.pgoffload.platform.hosting.Version;
import picocli.CommandLine;

/// Answers `--version`: first the version alone, for scripts; then its commit, and the platform.
public final class ShowVersion implements CommandLine.IVersionProvider {
  @Override
  public String[] getVersion() {
    var commit = Version.commit();
    return new String[] {
      "pgoffload " + Version.text(),
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
