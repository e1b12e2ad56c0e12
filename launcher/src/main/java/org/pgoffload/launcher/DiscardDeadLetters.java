package org.pgoffload.launcher;

import java.sql.SQLException;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.SettleLetters;
import picocli.CommandLine.Command;

/// `pgoffload dead-letters discard`.
@Command(
    name = "discard",
    description = {
      "Discards dead letters: list leaves them out, and replay --all does not send them.",
      "They stay on their topic until Kafka removes them. Connects as the role that has installed"
          + " pgoffload."
    })
final class DiscardDeadLetters extends SettleDeadLetters {
  @Override
  void settle(SettleLetters settle, DeadLetter letter) throws SQLException {
    if (settle.isSettled(letter)) {
      say(letter, "was replayed or discarded already");
      return;
    }
    settle.discard(letter);
    say(letter, "is discarded");
  }

  @Override
  String done() {
    return "discarded";
  }
}
