package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.hosting.Version;

/// What has to be said of a version, besides in the poms.
class ReleaseTest {
  private static final Path ROOT = Path.of("../..");

  @Test
  void theImageIsLabelledWithTheVersion() throws IOException {
    assertThat(Files.readString(ROOT.resolve("Dockerfile")))
        .contains("\nARG VERSION=" + Version.text() + "\n");
  }

  @Test
  void aReleaseStandsInTheChangelogWithItsDay() throws IOException {
    var version = Version.text();
    if (!version.endsWith("-SNAPSHOT")) {
      assertThat(Files.readString(ROOT.resolve("CHANGELOG.md")))
          .containsPattern("\n## \\[" + version + "] - \\d{4}-\\d{2}-\\d{2}\n");
      assertThat(Files.readString(ROOT.resolve("README.md")))
          .contains("This is version " + version + ".");
    }
  }
}
