package org.pgoffload.dev.faults.installation;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// A file system in memory of limited size, where the user may mount one.
///
/// @param directory where it is mounted
public record SmallDisk(Path directory) implements AutoCloseable {
  /// Enough for a server and the run, and quickly filled.
  private static final int MEBIBYTES = 512;

  /// Mounts one.
  ///
  /// @return empty where that is not allowed
  public static Optional<SmallDisk> mount(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException("directory " + directory + " cannot be made", e);
    }
    return run(
            List.of(
                "mount", "-t", "tmpfs", "-o", "size=" + MEBIBYTES + "m", "tmpfs", directory + ""))
        ? Optional.of(new SmallDisk(directory))
        : Optional.empty();
  }

  private static boolean run(List<String> command) {
    try {
      var process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return process.waitFor(Duration.ofSeconds(10)) && process.exitValue() == 0 && said.isEmpty();
    } catch (IOException e) {
      return false; // there is no such command
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FaultsException("interrupted while a disk was mounted", e);
    }
  }

  @Override
  public void close() {
    if (!run(List.of("umount", directory + ""))) {
      run(List.of("umount", "-l", directory + ""));
    }
  }
}
