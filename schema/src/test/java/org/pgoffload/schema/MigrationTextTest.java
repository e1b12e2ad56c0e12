package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// What the files of the schema must not contain.
final class MigrationTextTest {
  private static final Pattern COMMENT = Pattern.compile("--[^\n]*");

  /// With what continues it on the next lines.
  private static final Pattern LITERAL =
      Pattern.compile("([Ee]?)'(?:[^']|'')*'(?:\\s*\\n\\s*'(?:[^']|'')*')*");

  /// A function is parsed in its caller's session, where the setting may be off.
  @Test
  void noLiteralDependsOnStandardConformingStrings() throws IOException {
    var dependent = new ArrayList<String>();
    try (var files = Files.list(Path.of("src/main/resources/org/pgoffload/schema/migrations"))) {
      for (var file : files.sorted().toList()) {
        var text = COMMENT.matcher(Files.readString(file)).replaceAll("");
        LITERAL
            .matcher(text)
            .results()
            .filter(literal -> literal.group(1).isEmpty() && literal.group().contains("\\"))
            .forEach(literal -> dependent.add(file.getFileName() + ": " + literal.group()));
      }
    }
    assertThat(dependent).isEmpty();
  }

  /// The plan of such a statement has the signer's key in it, which `debug_print_plan` shows to the
  /// session. An expression has no such plan.
  @Test
  void noStatementOfAFunctionIsPlannedWithTheSigner() throws IOException {
    var planned = Pattern.compile("\\bperform\\b[^;]*[(,]\\s*signer\\b");
    try (var files = Files.list(Path.of("src/main/resources/org/pgoffload/schema/migrations"))) {
      for (var file : files.sorted().toList()) {
        assertThat(COMMENT.matcher(Files.readString(file)).replaceAll(""))
            .as(file.getFileName().toString())
            .doesNotContainPattern(planned);
      }
    }
  }
}
