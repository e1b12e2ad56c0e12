package org.pgoffload.schema;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.stream.Stream;
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

/// Runs its tests in a database of the class's own on the oldest and on the newest supported
/// version, which differ most: all four take their time. With `-Dpostgres=all` on each, with
/// `-Dpostgres=V16` on that one.
@ParameterizedClass(name = "PostgreSQL {0}")
@MethodSource("versions")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(60)
@SuppressWarnings("NullAway.Init") // JUnit sets both before the first test
public abstract class OnPostgresVersions {
  public @Parameter PostgresVersion version;
  public TestDatabase database;
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  public static List<PostgresVersion> versions() {
    var wanted = System.getProperty("postgres", "V15,V18");
    return wanted.equals("all")
        ? List.of(PostgresVersion.values())
        : Stream.of(wanted.split(",")).map(PostgresVersion::valueOf).toList();
  }

  @BeforeParameterizedClassInvocation
  public void create() {
    database = TestServer.of(version).newDatabase();
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
    database.close();
  }
}
