package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PostgresBinariesTest {

  @TempDir Path cache;

  @Test
  void areUnpackedOnceAlthoughSeveralAskForThemAtOnce() throws Exception {
    Callable<PostgresBinaries> unpack = () -> PostgresBinaries.of(PostgresVersion.V18, cache);
    var homes = new ArrayList<PostgresBinaries>();
    try (var executor = Executors.newFixedThreadPool(2)) {
      for (var unpacked : executor.invokeAll(List.of(unpack, unpack))) {
        homes.add(unpacked.get());
      }
    }
    assertThat(homes.getFirst()).isEqualTo(homes.getLast());
    assertThat(cache).isDirectoryContaining(file -> file.equals(homes.getFirst().home()));
    assertThat(entries()).isEqualTo(1);
    assertThat(homes.getFirst().postgres()).isExecutable();
  }

  @Test
  void areUnpackedAnewAfterAnotherProcessWasKilledInTheMiddle() throws IOException {
    var home = PostgresBinaries.of(PostgresVersion.V18, cache).home();
    Directories.delete(home);
    var noSuchProcess = Long.MAX_VALUE;
    Files.createDirectories(
        cache.resolve(home.getFileName() + ".unpacking-" + noSuchProcess + "-1/bin"));
    assertThat(PostgresBinaries.of(PostgresVersion.V18, cache).home()).isEqualTo(home);
    assertThat(entries()).isEqualTo(1);
  }

  @Test
  void leaveNothingBehindWhenTheArchiveIsBroken() throws IOException {
    assertThatThrownBy(() ->
            ArchiveUnpacking.unpackOnce(
                new byte[] {1, 2, 3}, cache.resolve("broken"), unpacked -> {}))
        .isInstanceOf(EmbeddedException.class)
        .hasMessageContaining(cache.toString());
    assertThat(entries()).isZero();
  }

  private long entries() throws IOException {
    try (var files = Files.list(cache)) {
      return files.count();
    }
  }
}
