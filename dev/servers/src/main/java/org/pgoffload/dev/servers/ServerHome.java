package org.pgoffload.dev.servers;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Where a server lives, and for how long.
///
/// @param directory its data, its log and the lock; made if missing
/// @param keepData whether the directory stays when the server is closed
/// @param endWithJvm whether a shutdown hook ends the server, without an order among the hooks;
///   false for a caller that closes everything in its own order at exit
public record ServerHome(Path directory, boolean keepData, boolean endWithJvm) {

  public ServerHome {
    directory = directory.toAbsolutePath().normalize();
  }

  /// A directory that outlives the server.
  public static ServerHome kept(Path directory) {
    return new ServerHome(directory, true, true);
  }

  /// A new directory that is removed on close.
  public static ServerHome temporary(String prefix) {
    return new ServerHome(Directories.temporary(prefix), false, true);
  }

  public ServerHome withEndWithJvm(boolean endWithJvm) {
    return new ServerHome(directory, keepData, endWithJvm);
  }

  /// The hook that closes the server when the JVM ends, if one is wanted.
  public @Nullable ShutdownHook shutdownHook(String name, Runnable close) {
    return endWithJvm ? ShutdownHook.register(name, close) : null;
  }
}
