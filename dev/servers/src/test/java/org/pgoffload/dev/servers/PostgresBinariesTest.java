package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorOutputStream;
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
    var home = cache.resolve("unpacked");
    var noSuchProcess = Long.MAX_VALUE;
    Files.createDirectories(cache.resolve("unpacked.unpacking-" + noSuchProcess + "-1/bin"));
    ArchiveUnpacking.unpackOnce(archiveOf("bin/postgres"), home, unpacked -> {});
    assertThat(home.resolve("bin/postgres")).isExecutable();
    assertThat(entries()).isEqualTo(1);
  }

  private static byte[] archiveOf(String program) throws IOException {
    var archive = new ByteArrayOutputStream();
    try (var tar = new TarArchiveOutputStream(new XZCompressorOutputStream(archive))) {
      var entry = new TarArchiveEntry(program);
      entry.setMode(0755);
      tar.putArchiveEntry(entry);
      tar.closeArchiveEntry();
    }
    return archive.toByteArray();
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
