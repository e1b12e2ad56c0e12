package org.pgoffload.worker.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class LlmErrorCodeTest {

  @Test
  void standsInTheDocumentationWithWhetherToTryAgain() throws IOException {
    var rows =
        Files.readString(Path.of("..", "..", "docs", "errors.md"))
            .lines()
            .filter(line -> line.matches("\\| `[a-z_]+` \\| (yes|no) \\|.*"))
            .map(line -> line.substring(0, line.indexOf(" |", line.indexOf(" | ") + 1)))
            .toList();

    assertThat(rows)
        .containsExactlyElementsOf(
            Arrays.stream(LlmErrorCode.values())
                .map(code -> "| `" + code.code() + "` | " + (code.retryable() ? "yes" : "no"))
                .toList());
  }
}
