package org.pgoffload.launcher;

import java.sql.SQLException;
import java.util.HashSet;
import java.util.Set;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.SettleLetters;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.Routing;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload dead-letters replay`.
@Command(
    name = "replay",
    description = {
      "Sends requests again, each as a new one of the role that had asked, with retry_of.",
      "The database checks that it had signed them. Connects as the role that has"
          + " installed pgoffload."
    })
final class ReplayDeadLetters extends SettleDeadLetters {
  @Option(
      names = "--force",
      description = "Also what has succeeded, is being executed, or was sent again already.")
  private boolean force;

  private final Set<Long> done = new HashSet<>();

  @Override
  void settle(SettleLetters settle, DeadLetter letter) throws SQLException {
    var id = letter.routing().map(Routing::id);
    if (isOfAll() && settle.isDiscarded(letter)) {
      say(letter, "was discarded");
      return;
    }
    var obstacle = SettleLetters.obstacle(letter);
    if (obstacle.isPresent()) {
      refuse(letter, obstacle.get().words(), obstacle.get().hint());
      return;
    }
    if (id.isPresent() && done.contains(id.get())) {
      say(letter, "another letter of request " + id.get());
      return;
    }
    try {
      long sent = settle.replay(letter, force);
      id.ifPresent(done::add);
      say(
          letter,
          "request " + id.map(String::valueOf).orElse("?") + " is sent again as request " + sent);
    } catch (SQLException e) {
      if (!isOfAll() || !DatabaseFault.is(e, SettleLetters.NEEDS_NOTHING)) {
        throw e;
      }
      // said of what is signed by us alone: a forged letter hides no other of its id
      id.ifPresent(done::add);
      say(letter, words(e));
    }
  }

  @Override
  String done() {
    return "sent";
  }
}
