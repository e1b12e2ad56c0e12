package org.pgoffload.dev.servers;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The right to run a server on a directory: one process at a time, given back by the kernel
/// whenever and however that process ends. Thread-safe.
public final class DirectoryLock implements AutoCloseable {

  static final String FILE = "pgoffload.lock";

  /// The directories this JVM has locked. Static, against the rule of the house, because the lock
  /// itself belongs to the whole process: merely opening and closing the lock file a second time in
  /// the same process would give the lock away (POSIX), so it has to be known beforehand.
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path directory;
  private final FileChannel channel;

  private DirectoryLock(Path directory, FileChannel channel) {
    this.directory = directory;
    this.channel = channel;
  }

  /// Takes the lock of an existing directory, or says which process has it.
  public static DirectoryLock acquire(Path directory) {
    try {
      var real = directory.toRealPath();
      if (!HELD.add(real)) {
        throw inUse(directory, ProcessHandle.current().pid() + " (this process)");
      }
      try {
        return new DirectoryLock(real, lock(real));
      } catch (RuntimeException | IOException e) {
        HELD.remove(real);
        throw e;
      }
    } catch (IOException e) {
      throw Directories.unusable(directory, "cannot be locked", e);
    }
  }

  @SuppressWarnings("resource") // closed by close(), which is what gives the lock back
  private static FileChannel lock(Path directory) throws IOException {
    var file = directory.resolve(FILE);
    var channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      if (channel.tryLock() == null) {
        var holder = Files.readString(file, US_ASCII).strip();
        throw inUse(directory, holder.isEmpty() ? "unknown" : holder);
      }
      channel.truncate(0);
      channel.write(US_ASCII.encode(ProcessHandle.current().pid() + "\n"), 0);
      return channel;
    } catch (RuntimeException | IOException e) {
      channel.close();
      throw e;
    }
  }

  private static EmbeddedException inUse(Path directory, String holder) {
    return new EmbeddedException(
        EmbeddedException.Code.DIRECTORY_IN_USE,
        "Directory "
            + directory
            + " is in use by process "
            + holder
            + ": stop it, or choose another directory.");
  }

  /// Gives the lock back; the file stays, empty.
  @Override
  public synchronized void close() {
    if (!channel.isOpen()) {
      return;
    }
    try (channel) {
      channel.truncate(0);
    } catch (IOException e) {
      throw Directories.unusable(directory, "cannot be unlocked", e);
    } finally {
      HELD.remove(directory);
    }
  }
}
