package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The example of docs/ai-functions.md, run as it stands there.
class AiFunctionsTest extends OnSharedInstallation {
  @Test
  void theExampleOfTheDocumentRuns() throws SQLException, IOException {
    var document = Files.readString(Path.of("../../docs/ai-functions.md"));
    var example = document.substring(document.indexOf("```sql") + 6);
    var statements =
        Stream.of(example.substring(0, example.indexOf("```")).split(";\n"))
            .map(String::strip)
            .toList();
    assertThat(statements).hasSize(8);
    // the role app owns no schema
    execute(app, statements.get(0).replace("create table", "create temp table"));
    execute(app, statements.get(1));
    assertThat(query(app, statements.get(2))).containsExactly("t");
    assertThat(query(app, statements.get(3))).containsExactly("bug");
    assertThat(query(app, statements.get(4)))
        .containsExactly("{\"due\": \"2027-05-01\", \"amount\": 1}");
    assertThat(query(app, statements.get(5))).containsExactly("1");
    assertThat(query(app, statements.get(6)))
        .containsExactly(
            "stub answer to: [\"The app crashes when I log in\",\"Thank you, all is well\"]");
    assertThat(query(app, "select id from (" + statements.get(7).replace(";", "") + ") m"))
        .containsExactly("1");
  }
}
