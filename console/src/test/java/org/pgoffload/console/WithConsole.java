package org.pgoffload.console;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.pgoffload.console.web.Listen;
import org.pgoffload.operations.deadletters.LetterTopic;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.TrustedProxies;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.TestServer;

/// Runs its tests with a console of each test's own, on a database that asks for passwords.
@SuppressWarnings("NullAway.Init") // JUnit sets them before the first test
abstract class WithConsole extends OnPostgresVersions {
  TestClock clock;
  ConsoleApp console;

  @Override
  @BeforeParameterizedClassInvocation
  public void create() {
    database = TestServer.of(version).newDatabaseWithPasswords();
  }

  @BeforeEach
  void startConsole() {
    clock = new TestClock();
    console = console(database.address(), false, false);
  }

  @AfterEach
  void closeConsole() {
    console.close();
  }

  /// Another console, which ends with the test.
  ConsoleApp console(DatabaseAddress place, boolean superusersAllowed, boolean textsHidden) {
    return closedAfterTheTest(
        ConsoleApp.start(
            new ConsoleConfiguration(
                place.as("nobody", null),
                new Listen("127.0.0.1", 0, null, null, proxies()),
                superusersAllowed,
                textsHidden,
                deadLetters()),
            clock));
  }

  /// The proxies that consoles trust.
  TrustedProxies proxies() {
    return TrustedProxies.NONE;
  }

  /// The topic of dead letters that consoles read; null for none.
  @Nullable LetterTopic deadLetters() {
    return null;
  }

  Reader reader() {
    return closedAfterTheTest(new Reader(console));
  }

  Reader signedIn(String role) {
    return closedAfterTheTest(Reader.signedIn(console, role));
  }
}
