package org.pgoffload.dev.servers;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes and removes the directories in which servers live.
public final class Directories {

  private static final Logger log = LoggerFactory.getLogger(Directories.class);

  /// Linux's file system in memory.
  private static final Path MEMORY = Path.of("/dev/shm");

  /// Enough for the servers of a few test classes at once, whose write-ahead logs take most of it.
  private static final long ROOM = 4L << 30;

  private Directories() {}

  /// Creates the directory, with its parents, unless it is there.
  public static void create(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw unusable(directory, "cannot be created", e);
    }
  }

  /// A new directory with a name that no other user can guess: in memory where there is room, since
  /// a database is hundreds of small files, else where the system keeps temporary files.
  static Path temporary(String prefix) {
    var parent = hasRoom(MEMORY) ? MEMORY : Path.of(System.getProperty("java.io.tmpdir"));
    try {
      return Files.createTempDirectory(parent, prefix);
    } catch (IOException e) {
      throw unusable(parent, "is not writable", e);
    }
  }

  private static boolean hasRoom(Path memory) {
    try {
      return Files.isWritable(memory)
          && Files.getFileStore(memory).type().equals("tmpfs")
          && Files.getFileStore(memory).getUsableSpace() >= ROOM;
    } catch (IOException e) {
      return false;
    }
  }

  /// Removes the directory with its contents; a missing file is no error.
  public static void delete(Path directory) {
    try {
      Files.walkFileTree(
          directory,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
              if (e instanceof NoSuchFileException) {
                return FileVisitResult.CONTINUE;
              }
              throw e;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException e)
                throws IOException {
              if (e != null) {
                throw e;
              }
              Files.deleteIfExists(visited);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (NoSuchFileException e) {
      return; // somebody else removed it, which is what was asked for
    } catch (IOException e) {
      throw unusable(directory, "cannot be removed", e);
    }
  }

  /// Removes the contents of a directory.
  static void empty(Path directory) {
    try (var files = Files.list(directory)) {
      files.toList().forEach(Directories::delete);
    } catch (IOException e) {
      throw unusable(directory, "cannot be emptied", e);
    }
  }

  /// Removes the directory of a server that is no longer there, unless another one uses it by now.
  static void deleteUnlessLocked(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    try (var _ = DirectoryLock.acquire(directory)) {
      delete(directory);
    } catch (EmbeddedException e) {
      log.debug("{} is not removed", directory, e);
    }
  }

  /// Keeps one older generation of a log and begins a new one, so that it cannot grow for ever.
  public static void rotate(Path log) {
    try {
      if (Files.exists(log)) {
        Files.move(
            log,
            log.resolveSibling(log.getFileName() + ".previous"),
            StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw unusable(log, "cannot be renamed", e);
    }
  }

  public static EmbeddedException unusable(Path path, String what, IOException cause) {
    return new EmbeddedException(
        EmbeddedException.Code.DIRECTORY_UNUSABLE, path + " " + what + ": " + reason(cause), cause);
  }

  /// The reason in words: the message of many an exception is no more than a path.
  private static String reason(IOException cause) {
    return switch (cause) {
      case AccessDeniedException e -> "permission denied for " + e.getFile();
      case FileAlreadyExistsException e -> e.getFile() + " is there and is not a directory";
      case NoSuchFileException e -> e.getFile() + " does not exist";
      case NotDirectoryException e -> e.getFile() + " is not a directory";
      default -> String.valueOf(cause.getMessage());
    };
  }
}
