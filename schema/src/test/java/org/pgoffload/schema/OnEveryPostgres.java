package org.pgoffload.schema;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.embedded.PostgresVersion;

/// Runs its tests on each supported version, in a database of the class's own.
@ParameterizedClass(name = "PostgreSQL {0}")
@EnumSource(PostgresVersion.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(60)
@SuppressWarnings("NullAway.Init") // JUnit sets both before the first test
abstract class OnEveryPostgres {
  @Parameter PostgresVersion version;
  TestDatabase database;

  @BeforeParameterizedClassInvocation
  void create() {
    database = TestServer.of(version).newDatabase();
  }

  @BeforeEach
  void forgetWhatWasSent() {
    database.sent();
  }

  @AfterParameterizedClassInvocation
  void drop() {
    database.close();
  }
}
