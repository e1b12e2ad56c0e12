package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// What was copied with its tables is not the installation that it was.
final class CopiedDatabaseTest extends OnOldestAndNewestPostgres {
  @Test
  void isNoCopyOfItself() {
    assertThat(isCopy()).isEqualTo("f");
  }

  @Test
  void isACopyInAnotherDatabaseOrSystemUntilItIsAdopted() {
    for (var change : new String[] {"database_oid = 1", "system_identifier = 1"}) {
      database.admin().run("update pgoffload.installation set " + change);
      assertThat(isCopy()).isEqualTo("t");
      database.admin().run("select pgoffload.adopt()");
      assertThat(isCopy()).isEqualTo("f");
    }
  }

  @Test
  void signsWithANewKeyAndIdentityAfterItsAdoption() {
    database.inserted("app");
    var before = database.onlySent();
    var adopted = database.admin().value("select pgoffload.adopt()");
    database.inserted("app");
    var after = database.onlySent();
    assertThat(after.envelope().installation())
        .isEqualTo(adopted)
        .isNotEqualTo(before.envelope().installation());
    assertThat(after.signature().keyId()).isNotEqualTo(before.signature().keyId());
  }

  private String isCopy() {
    try (var worker = database.open("worker_login")) {
      return String.valueOf(worker.value("select pgoffload.is_copy()"));
    }
  }
}
