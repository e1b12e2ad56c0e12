package org.pgoffload.schema;

import org.junit.jupiter.api.BeforeEach;

/// Gives each test the session of a user, and the only worker, which executes what the user
/// launches.
@SuppressWarnings("NullAway.Init") // set before each test
abstract class WithSqlWorker extends OnPostgresVersions {
  Session ann;
  PlayedSqlWorker worker;

  @BeforeEach
  void logIn() {
    ann = closedAfterTheTest(database.open("ann"));
    worker = closedAfterTheTest(database.sqlWorker("w"));
  }

  /// Launches a command by a function; its handle as two arguments.
  String launched(String function, String command, String label) {
    return String.join(
        ", ",
        ann.rows("select * from " + function + "($$" + command + "$$, 0, " + label + ")")
            .getFirst()
            .split("\\|"));
  }

  /// The same of a command that has been executed.
  String ran(String function, String command) {
    var handle = launched(function, command, "null");
    worker.run(database.onlySent());
    return handle;
  }
}
