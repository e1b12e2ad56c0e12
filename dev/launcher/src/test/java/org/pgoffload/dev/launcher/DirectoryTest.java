package org.pgoffload.dev.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.platform.ConfigurationException;

/// What a local installation keeps is its owner's alone.
final class DirectoryTest {
  @TempDir Path directory;

  @Test
  void makesADirectoryThatNobodyElseCanLookInto() throws IOException {
    assertThat(permissions(Directory.create(directory.resolve("a/new")))).isEqualTo("rwx------");
  }

  @Test
  void hidesOneThatIsThere() throws IOException {
    var empty = open("empty");
    assertThat(permissions(Directory.create(empty))).isEqualTo("rwx------");
    for (var ours : new String[] {"credentials.properties", "kafka"}) {
      var earlier = open("with " + ours);
      Files.createFile(earlier.resolve(ours));
      assertThat(permissions(Directory.create(earlier))).isEqualTo("rwx------");
    }
  }

  @Test
  void hidesNothingThatIsNotOurs() throws IOException {
    var shared = open("shared");
    Files.createFile(shared.resolve("somebody's"));
    assertThatThrownBy(() -> Directory.create(shared))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("give a directory of its own");
    assertThat(permissions(shared)).isEqualTo("rwxr-xr-x");
  }

  @Test
  void letsAnotherAccountPassAndNotLook() throws IOException {
    var passed = open("passed");
    Directory.letPass(passed);
    assertThat(permissions(passed)).isEqualTo("rwx--x--x");
    assertThat(permissions(Directory.hidden(passed.resolve("kafka")))).isEqualTo("rwx------");
  }

  private Path open(String name) throws IOException {
    var made = Files.createDirectory(directory.resolve(name));
    Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rwxr-xr-x"));
    return made;
  }

  private static String permissions(Path directory) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(directory));
  }
}
