package org.pgoffload.dev.servers;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;

/// A base backup of a running server: `pg_basebackup` is not among the binaries. The files are
/// copied between `pg_backup_start` and `pg_backup_stop`, as they happen to be; the label that the
/// stop returns is the place in the WAL from which a recovery makes them whole.
///
/// @param source the data directory of the running server
/// @param cluster that becomes a standby; what it was before is removed
/// @param account under which the standby runs
record PostgresCopy(Path source, PostgresCluster cluster, ServerAccount account) {

  /// Directories whose contents are the running server's own, or are made anew by each start.
  private static final Set<String> LEFT_EMPTY =
      Set.of(
          "pg_wal",
          "pg_replslot",
          "pg_dynshmem",
          "pg_notify",
          "pg_serial",
          "pg_snapshots",
          "pg_stat_tmp",
          "pg_subtrans");

  private static final Set<String> LEFT_OUT =
      Set.of("postmaster.pid", "postmaster.opts", "pg_internal.init", "pg_control");

  /// Makes it.
  ///
  /// @param session of the running server's superuser, which keeps the WAL by a slot
  /// @param label for people
  void make(Connection session, String label) {
    var unfinished = cluster.directory().resolve("cluster.unfinished");
    try {
      Directories.delete(unfinished);
      Directories.delete(cluster.data());
      account.own(cluster.directory());
      PostgresStandby.text(session, "select pg_backup_start('" + label + "', true)");
      copy(source, unfinished);
      // the last file, since it names the checkpoint up to which the others are complete
      copyFile(source.resolve("global/pg_control"), unfinished.resolve("global/pg_control"));
      var backupLabel =
          PostgresStandby.text(session, "select labelfile from pg_backup_stop(false)");
      Files.writeString(unfinished.resolve("backup_label"), backupLabel);
      account.own(unfinished.resolve("backup_label"));
      copyWal(source.resolve("pg_wal"), unfinished.resolve("pg_wal"));
      Files.move(unfinished, cluster.data());
      cluster.beStandby(account);
    } catch (IOException e) {
      throw Directories.unusable(cluster.directory(), "cannot hold a copy", e);
    } catch (SQLException e) {
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED, "No backup can be made: " + e.getMessage(), e);
    }
  }

  private void copy(Path from, Path to) throws IOException {
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path visited, BasicFileAttributes attributes)
              throws IOException {
            copyDirectory(visited, to.resolve(from.relativize(visited)));
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            var parts = from.relativize(file);
            if (!LEFT_EMPTY.contains(parts.getName(0).toString())
                && !LEFT_OUT.contains(file.getFileName().toString())) {
              copyFile(file, to.resolve(parts));
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
            return continueWithout(e);
          }
        });
    // slots have directories, which are left out as well
    Directories.empty(to.resolve("pg_replslot"));
  }

  /// The segments up to the stop, so that the standby is consistent before it reaches its primary.
  private void copyWal(Path from, Path to) throws IOException {
    try (var files = Files.list(from)) {
      for (var file : files.filter(Files::isRegularFile).toList()) {
        copyFile(file, to.resolve(file.getFileName()));
      }
    }
  }

  private void copyDirectory(Path from, Path to) throws IOException {
    try {
      Files.createDirectory(to);
      Files.setPosixFilePermissions(to, Files.getPosixFilePermissions(from));
      account.own(to);
    } catch (NoSuchFileException e) {
      continueWithout(e);
    }
  }

  private void copyFile(Path from, Path to) throws IOException {
    try {
      Files.copy(from, to);
      account.own(to);
    } catch (NoSuchFileException e) {
      continueWithout(e);
    }
  }

  /// The running server has removed a file meanwhile, as the recovery will.
  private static FileVisitResult continueWithout(IOException e) throws IOException {
    if (e instanceof NoSuchFileException) {
      return FileVisitResult.CONTINUE;
    }
    throw e;
  }
}
