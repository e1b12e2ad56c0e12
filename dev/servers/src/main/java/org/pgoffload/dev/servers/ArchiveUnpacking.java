package org.pgoffload.dev.servers;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.function.Consumer;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/// Unpacks an archive so that its directory exists only when it is complete: two processes may
/// unpack it at once, or one may be killed in the middle; a half-unpacked archive is never seen.
final class ArchiveUnpacking {

  private static final String UNFINISHED = ".unpacking-";

  private ArchiveUnpacking() {}

  /// Unpacks a `.tar.xz` as `home`, unless another process is quicker. `check` sees the unpacked
  /// directory before it gets its name, and rejects it by throwing.
  static void unpackOnce(byte[] archive, Path home, Consumer<Path> check) {
    try {
      deleteLeftovers(home);
      var parent = home.toAbsolutePath().getParent();
      var unfinished =
          Files.createTempDirectory(
              parent, home.getFileName() + UNFINISHED + ProcessHandle.current().pid() + "-");
      try {
        unpack(archive, unfinished);
        // A temporary directory is its maker's alone, but the server may run as another user.
        setMode(unfinished, 0755);
        check.accept(unfinished);
        Files.move(unfinished, home, StandardCopyOption.ATOMIC_MOVE);
      } catch (FileAlreadyExistsException | DirectoryNotEmptyException e) {
        return; // another process was quicker, and its directory holds the same
      } finally {
        Directories.delete(unfinished);
      }
    } catch (IOException e) {
      if (Files.isDirectory(home)) {
        return; // as above; some systems have no exception of its own for it
      }
      throw Directories.unusable(home, "cannot be unpacked", e);
    }
  }

  /// Removes what processes that are no longer there left unfinished.
  private static void deleteLeftovers(Path home) throws IOException {
    var prefix = home.getFileName() + UNFINISHED;
    try (var siblings = Files.list(home.toAbsolutePath().getParent())) {
      siblings
          .filter(sibling -> sibling.getFileName().toString().startsWith(prefix))
          .filter(sibling -> !isOwnedByLivingProcess(sibling, prefix))
          .forEach(Directories::delete);
    }
  }

  private static boolean isOwnedByLivingProcess(Path sibling, String prefix) {
    var pid = sibling.getFileName().toString().substring(prefix.length()).split("-", 2)[0];
    return ProcessHandle.of(Long.parseLong(pid)).isPresent();
  }

  private static void unpack(byte[] archive, Path into) throws IOException {
    try (var tar =
        new TarArchiveInputStream(new XZCompressorInputStream(new ByteArrayInputStream(archive)))) {
      for (var entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
        var target = into.resolve(entry.getName()).normalize();
        if (!target.startsWith(into)) {
          throw new IOException("the archive reaches outside of its directory: " + entry.getName());
        }
        unpackEntry(tar, entry, target);
      }
    }
  }

  private static void unpackEntry(TarArchiveInputStream tar, TarArchiveEntry entry, Path target)
      throws IOException {
    if (entry.isDirectory()) {
      Files.createDirectories(target);
      return;
    }
    Files.createDirectories(target.getParent());
    if (entry.isSymbolicLink()) {
      Files.createSymbolicLink(target, Path.of(entry.getLinkName()));
    } else {
      Files.copy(tar, target);
      setMode(target, entry.getMode());
    }
  }

  private static void setMode(Path file, int mode) throws IOException {
    var permissions = new StringBuilder();
    for (var bit = 0; bit < 9; bit++) {
      permissions.append((mode & (0400 >> bit)) == 0 ? '-' : "rwx".charAt(bit % 3));
    }
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions.toString()));
  }
}
