package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// No room of the house is larger than a reader can know. Counts the lines of main sources.
class SizesTest {
  private static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();
  private static final int MOST_OF_A_MODULE = 6_000;
  private static final int MOST_OF_A_PACKAGE = 3_000;
  private static final int MOST_OF_A_FILE = 300;

  /// How the sentence in the type's documentation begins that gives the reason.
  private static final String WHY_LONGER = "Longer than 300 lines because";

  private static final Map<String, Integer> MODULES = new TreeMap<>();
  private static final Map<String, Integer> PACKAGES = new TreeMap<>();

  @BeforeAll
  static void count() throws IOException {
    for (var file : sources()) {
      int lines = Files.readAllLines(file).size();
      var path = ROOT.relativize(file).toString();
      MODULES.merge(path.substring(0, path.indexOf("/src/main/java/")), lines, Integer::sum);
      PACKAGES.merge(String.valueOf(ROOT.relativize(file).getParent()), lines, Integer::sum);
    }
  }

  @Test
  void noModuleIsAboveItsLimit() {
    assertThat(MODULES)
        .isNotEmpty()
        .allSatisfy(
            (module, lines) -> assertThat(lines).as(module).isLessThanOrEqualTo(MOST_OF_A_MODULE));
  }

  @Test
  void noPackageIsAboveItsLimit() {
    assertThat(PACKAGES)
        .isNotEmpty()
        .allSatisfy(
            (name, lines) -> assertThat(lines).as(name).isLessThanOrEqualTo(MOST_OF_A_PACKAGE));
  }

  @Test
  void aLongFileSaysWhyItIs() throws IOException {
    for (var file : sources()) {
      var text = Files.readString(file);
      if (text.lines().count() > MOST_OF_A_FILE) {
        assertThat(text).as(file.toString()).contains(WHY_LONGER);
      }
    }
  }

  private static List<Path> sources() throws IOException {
    var sources = new ArrayList<Path>();
    try (var files = Files.walk(ROOT)) {
      files
          .filter(file -> file.toString().contains("/src/main/java/"))
          .filter(file -> file.toString().endsWith(".java"))
          .forEach(sources::add);
    }
    return sources;
  }
}
