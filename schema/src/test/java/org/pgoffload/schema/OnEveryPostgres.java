package org.pgoffload.schema;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;
import org.pgoffload.dev.servers.PostgresVersion;

/// Runs its tests on each supported version, or on the one that the system property `postgres`
/// names (`-Dpostgres=V18`), in a database of the class's own.
@ParameterizedClass(name = "PostgreSQL {0}")
@MethodSource("versions")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(60)
@SuppressWarnings("NullAway.Init") // JUnit sets both before the first test
public abstract class OnEveryPostgres {
  public @Parameter PostgresVersion version;
  public TestDatabase database;
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  public static List<PostgresVersion> versions() {
    var only = System.getProperty("postgres", "all");
    return only.equals("all")
        ? List.of(PostgresVersion.values())
        : List.of(PostgresVersion.valueOf(only));
  }

  @BeforeParameterizedClassInvocation
  public void create() {
    assumeTrue(wants(version), () -> "run on " + version + " with -Dpostgres=all");
    database = TestServer.of(version).newDatabase();
  }

  /// Whether the tests are worth their time on this version.
  public boolean wants(PostgresVersion version) {
    return true;
  }

  @BeforeEach
  public void forgetEarlierTests() {
    database.sent();
    database.admin().run("delete from pgoffload.worker");
  }

  /// Has a session or a worker closed after the test.
  public <T extends AutoCloseable> T closedAfterTheTest(T part) {
    open.push(part);
    return part;
  }

  @AfterEach
  public void closeWhatIsOpen() throws Exception {
    while (!open.isEmpty()) {
      open.pop().close();
    }
  }

  @AfterParameterizedClassInvocation
  public void drop() {
    if (wants(version)) {
      database.close();
    }
  }
}
