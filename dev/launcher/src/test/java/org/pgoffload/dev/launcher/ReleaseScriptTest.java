package org.pgoffload.dev.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The script of the release archive, with stand-ins of the Java runtime that print how they were
/// called.
class ReleaseScriptTest {
  @TempDir Path directory;
  private Path script;

  @BeforeEach
  void unpack() throws IOException {
    script = directory.resolve("release/bin/pgoffload");
    Files.createDirectories(script.getParent());
    Files.copy(Path.of("src/release/bin/pgoffload"), script);
    makeExecutable(script);
  }

  @Test
  void takesTheRuntimeOfJavaHomeAndHandsOnItsArguments() throws Exception {
    var java = runtime("jre25", "25.0.3");
    assertThat(run(script, Map.of("JAVA_HOME", java.toString()), "worker", "--topic-prefix", "a b"))
        .startsWith("jre25")
        .containsSubsequence(
            "-cp",
            directory.resolve("release/lib/*").toString(),
            "org.pgoffload.launcher.Main",
            "worker",
            "--topic-prefix",
            "a b");
  }

  @Test
  void givesTheLocalServersLibrariesToTheirCommandsAlone() throws Exception {
    var java = Map.of("JAVA_HOME", runtime("jre25", "25").toString());
    var both = directory.resolve("release/lib/*") + ":" + directory.resolve("release/lib/local/*");
    for (var command : List.of("demo", "dev", "bench", "faults", "--help")) {
      assertThat(run(script, java, command)).containsSubsequence("-cp", both);
    }
    assertThat(run(script, java)).containsSubsequence("-cp", both);
    assertThat(run(script, java, "maintain")).doesNotContain(both);
  }

  @Test
  void passesOverAnOldRuntimeForTheOneOnThePath() throws Exception {
    var old = runtime("jre21", "21.0.1");
    var newer = runtime("jre26", "26");
    assertThat(
            run(
                script,
                Map.of(
                    "JAVA_HOME",
                    old.toString(),
                    "PATH",
                    newer.resolve("bin") + ":" + System.getenv("PATH"))))
        .startsWith("jre26");
  }

  @Test
  void findsItsLibrariesThroughALinkToItself() throws Exception {
    var link =
        Files.createSymbolicLink(directory.resolve("pgoffload"), Path.of("release/bin/pgoffload"));
    assertThat(run(link, Map.of("JAVA_HOME", runtime("jre25", "25").toString()), "--version"))
        .anyMatch(word -> word.startsWith(directory.resolve("release/lib/*").toString()));
  }

  @Test
  void splitsTheOptionsOfTheJvm() throws Exception {
    assertThat(
            run(
                script,
                Map.of(
                    "JAVA_HOME",
                    runtime("jre25", "25").toString(),
                    "PGOFFLOAD_JAVA_OPTS",
                    "-Xmx1g -Dx=y")))
        .containsSubsequence("-Xmx1g", "-Dx=y", "-cp");
  }

  private Path runtime(String name, String version) throws IOException {
    var home = directory.resolve(name);
    Files.createDirectories(home.resolve("bin"));
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    var java = home.resolve("bin/java");
    Files.writeString(java, "#!/bin/sh\nprintf '%s\\n' " + name + " \"$@\"\n");
    makeExecutable(java);
    return home;
  }

  private static void makeExecutable(Path file) throws IOException {
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private static List<String> run(Path command, Map<String, String> environment, String... words)
      throws IOException, InterruptedException {
    var line = new ArrayList<>(List.of("sh", command.toString()));
    line.addAll(List.of(words));
    var builder = new ProcessBuilder(line).redirectErrorStream(true);
    builder.environment().keySet().removeIf(name -> name.startsWith("PGOFFLOAD_"));
    builder.environment().putAll(environment);
    var process = builder.start();
    var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    return said.lines().toList();
  }
}
