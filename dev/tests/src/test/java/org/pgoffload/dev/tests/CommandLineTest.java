package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.pgoffload.launcher.Main;

/// Every command, those with servers of their own too, as its help shows it.
class CommandLineTest {
  @Test
  void theListOfCommandsSaysWholeSentences() {
    var said =
        Main.commandLine().getSubcommands().values().stream()
            .flatMap(command ->
                Stream.concat(Stream.of(command), command.getSubcommands().values().stream()))
            .map(command -> command.getCommandSpec().usageMessage().description()[0]);
    assertThat(said).isNotEmpty().allMatch(first -> first.endsWith("."));
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHasHelp(List<String> command) {
    var arguments = new ArrayList<>(command);
    arguments.add("--help");
    var ran = Command.run(arguments.toArray(String[]::new));
    assertThat(ran.status()).isZero();
    assertThat(ran.output())
        .contains("Usage: pgoffload " + String.join(" ", command))
        .doesNotContain("null");
  }

  static Stream<List<String>> commands() {
    return Main.commandLine().getSubcommands().entrySet().stream()
        .flatMap(command ->
            Stream.concat(
                Stream.of(List.of(command.getKey())),
                command.getValue().getSubcommands().keySet().stream()
                    .map(subcommand -> List.of(command.getKey(), subcommand))));
  }

  @Test
  void badUsageExitsWithTwo() {
    var ran = Command.run("dev", "--parts", "postgres,zookeeper");
    assertThat(ran.status()).isEqualTo(2);
    assertThat(ran.errors()).contains("zookeeper");
  }
}
