package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// The documents name what an installation has in the database for its users and its owner.
class DocumentedDatabaseTest {
  private static final Path DOCS = Path.of("../../docs");
  private static final Path MIGRATIONS =
      Path.of("../../schema/src/main/resources/org/pgoffload/schema/migrations");

  private static final Pattern PUBLIC =
      Pattern.compile(
          "create (?:or replace )?(?:function|aggregate|view) \\$\\{public_schema}[.](\\w+)");
  private static final Pattern INSERTED =
      Pattern.compile("(?s)insert into pgoffload[.]setting [(]name, .*?;\n");
  private static final Pattern SETTING = Pattern.compile("\\('(\\w+)', ");
  private static final Pattern ROW = Pattern.compile("(?m)^[|] `(\\w+)` [|]");

  @Test
  void everyPublicFunctionAndViewStandsInADocument() throws IOException {
    var documents = textOf(DOCS, ".md");
    var names =
        PUBLIC
            .matcher(textOf(MIGRATIONS, ".sql"))
            .results()
            .map(found -> found.group(1))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(names)
        .contains("llm_ask", "llm_queue")
        .allSatisfy(name -> assertThat(documents).containsPattern("\\b" + name + "\\b"));
  }

  @Test
  void everySettingOfTheInstallationStandsOnceInTheConfiguration() throws IOException {
    var settings =
        INSERTED
            .matcher(textOf(MIGRATIONS, ".sql"))
            .results()
            .map(MatchResult::group)
            .flatMap(statement -> SETTING.matcher(statement).results())
            .map(found -> found.group(1))
            .toList();
    var configuration = Files.readString(DOCS.resolve("configuration.md"));
    var section =
        configuration.substring(configuration.indexOf("\n## Settings of the installation"));
    section = section.substring(0, section.indexOf("\n## Settings of a session"));
    assertThat(settings).contains("retention");
    assertThat(ROW.matcher(section).results().map(found -> found.group(1)).toList())
        .doesNotHaveDuplicates()
        .containsAll(settings);
  }

  private static String textOf(Path directory, String ending) throws IOException {
    var text = new StringBuilder();
    try (var files = Files.list(directory)) {
      for (var file : files.filter(file -> file.toString().endsWith(ending)).sorted().toList()) {
        text.append(Files.readString(file));
      }
    }
    return text.toString();
  }
}
