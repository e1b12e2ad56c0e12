package org.pgoffload.dev.servers;

import com.sun.security.auth.module.UnixSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Under which account PostgreSQL runs: it refuses to run as root. Whichever way, the started
/// process is PostgreSQL itself, so that its id is the server's.
sealed interface ServerAccount {

  /// The command that runs `command` under this account.
  List<String> command(List<String> command);

  /// Makes the account the owner of a file or directory.
  void own(Path path);

  /// An ordinary user runs it himself.
  record Same() implements ServerAccount {
    @Override
    public List<String> command(List<String> command) {
      return command;
    }

    @Override
    public void own(Path path) {}
  }

  /// Root inside a user namespace that maps nobody: the server sees itself as nobody, while the
  /// files stay root's.
  record UserNamespace() implements ServerAccount {
    @Override
    public List<String> command(List<String> command) {
      return prefixed(List.of("unshare", "-U"), command);
    }

    @Override
    public void own(Path path) {}
  }

  /// Root in a container that allows no user namespaces gives the server to an ordinary user, who
  /// has to be able to reach the directory.
  record OtherUser(String name) implements ServerAccount {
    @Override
    public List<String> command(List<String> command) {
      var group = Processes.run(List.of("id", "-g", name), Duration.ofSeconds(2)).output().strip();
      return prefixed(
          List.of("setpriv", "--reuid=" + name, "--regid=" + group, "--clear-groups", "--"),
          command);
    }

    @Override
    public void own(Path path) {
      try {
        var user = path.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName(name);
        Files.setOwner(path, user);
      } catch (IOException e) {
        throw Directories.unusable(path, "cannot be given to user " + name, e);
      }
    }
  }

  /// The way that works here.
  static ServerAccount detect() {
    if (!isRoot()) {
      return new Same();
    }
    if (works(new UserNamespace().command(List.of("true")))) {
      return new UserNamespace();
    }
    for (var name : List.of("postgres", "nobody")) {
      var user = new OtherUser(name);
      if (works(List.of("id", "-g", name)) && works(user.command(List.of("true")))) {
        return user;
      }
    }
    throw new EmbeddedException(
        EmbeddedException.Code.START_FAILED,
        "PostgreSQL refuses to run as root, and neither 'unshare -U' nor 'setpriv' can give it to"
            + " another user here: run pgoffload as an ordinary user.");
  }

  static boolean isRoot() {
    return new UnixSystem().getUid() == 0;
  }

  private static boolean works(List<String> command) {
    return Processes.run(command, Duration.ofSeconds(5)).exitCode() == 0;
  }

  private static List<String> prefixed(List<String> prefix, List<String> command) {
    var whole = new ArrayList<>(prefix);
    whole.addAll(command);
    return List.copyOf(whole);
  }
}
