package org.pgoffload.schema;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/// Gives each test the session of a user, and the only worker, which executes what the user
/// launches.
@SuppressWarnings("NullAway.Init") // set before each test
abstract class WithSqlWorker extends OnOldestAndNewestPostgres {
  Session ann;
  PlayedSqlWorker worker;

  @BeforeEach
  void logIn() {
    database.admin().run("delete from pgoffload.worker");
    ann = database.open("ann");
    worker = database.sqlWorker("w");
  }

  @AfterEach
  void logOut() {
    ann.close();
    worker.close();
  }
}
