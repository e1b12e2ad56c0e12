package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.BrokerProcess;

final class DirectoriesTest {

  @TempDir Path directory;

  @Test
  void saysThatAFileIsNoDirectory() throws IOException {
    var file = Files.createFile(directory.resolve("file"));
    assertUnusable(
        () -> PostgresServer.start(PostgresOptions.kept(file, "password")),
        file + " cannot be created: " + file + " is there and is not a directory");
    assertUnusable(
        () -> BrokerProcess.start(BrokerOptions.kept(file.resolve("below"))),
        file + "/below cannot be created: " + file + "/below: Not a directory");
    assertUnusable(
        () -> PostgresServer.endOrphan(file),
        file + " cannot be locked: " + file + "/pgoffload.lock: Not a directory");
  }

  @Test
  void saysThatThereIsNoDirectory() {
    var missing = directory.resolve("missing");
    assertUnusable(
        () -> BrokerProcess.endOrphan(missing),
        missing + " cannot be locked: " + missing + " does not exist");
  }

  @Test
  void saysThatItMayNotWrite() throws IOException {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("r-xr-xr-x"));
    assumeThat(Files.isWritable(directory)).isFalse(); // root may write everywhere
    assertUnusable(
        () -> PostgresServer.start(PostgresOptions.kept(directory, "password")),
        directory + " cannot be locked: permission denied for " + directory + "/pgoffload.lock");
    var below = directory.resolve("below");
    assertUnusable(
        () -> BrokerProcess.start(BrokerOptions.kept(below)),
        below + " cannot be created: permission denied for " + below);
  }

  private static void assertUnusable(ThrowingCallable call, String message) {
    var refused = catchThrowableOfType(EmbeddedException.class, call);
    assertThat(refused.code()).isEqualTo(EmbeddedException.Code.DIRECTORY_UNUSABLE);
    assertThat(refused).hasMessage(message);
  }
}
