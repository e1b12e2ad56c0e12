package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.worker.vendors.KnownProvider;
import picocli.CommandLine;

/// Every place where a user looks for a provider has each of them.
class KnownProvidersTest {
  private static final Path ROOT = Path.of("..");

  @ParameterizedTest
  @EnumSource
  void isInTheDocuments(KnownProvider provider) throws IOException {
    assertThat(Files.readString(ROOT.resolve("docs/llm-providers.md")))
        .contains("`" + provider.word() + "`", "`" + provider.variable() + "`");
    assertThat(Files.readString(ROOT.resolve("docs/configuration.md")))
        .contains(provider.variable());
  }

  @ParameterizedTest
  @EnumSource
  void canBeConfiguredInCompose(KnownProvider provider) throws IOException {
    assertThat(Files.readString(ROOT.resolve("docker-compose.yml")))
        .contains("\n      " + provider.variable() + ":");
  }

  @ParameterizedTest
  @EnumSource
  void isInTheHelpOfTheWorker(KnownProvider provider) {
    assertThat(new CommandLine(new WorkerCommand()).getUsageMessage())
        .contains(provider.variable());
  }
}
