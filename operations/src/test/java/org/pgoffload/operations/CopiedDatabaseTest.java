package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.pgoffload.schema.OnPostgresVersions;

/// What was copied with its tables is not the installation that it was.
final class CopiedDatabaseTest extends OnPostgresVersions {
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

  @Test
  void endsWhatItWasCopiedWithAndNothingElseWithItsAdoption() throws SQLException {
    try (var app = database.open("app");
        var ann = database.open("ann");
        var worker = database.worker("of the original")) {
      AdoptCopy.run(database.address()); // what other tests have left
      database.sent();
      long answered = database.inserted("app");
      database.record(database.answered(answered, "app", "a"));
      database.sent();
      long running = database.inserted("app");
      worker.claim(database.onlySent());
      long queued = database.inserted("app");
      long task = ann.number("insert into sql_request (command) values ('select 1') returning id");

      var adopted = AdoptCopy.run(database.address());

      assertThat(adopted.ended()).isEqualTo(3);
      assertThat(adopted.installation())
          .isEqualTo(database.admin().value("select id from pgoffload.installation"));
      assertThat(
              app.rows(
                  "select llm_status(i), (llm_response(i)).error_code from unnest(?) i",
                  (Object) new Long[] {answered, running, queued}))
          .containsExactly("succeeded|null", "failed|copied", "failed|copied");
      assertThat(ann.refused("select * from sql_rows(?) as (n int)", task).state())
          .isEqualTo("PO004");
      // page by page, and nothing twice
      long own = database.inserted("app");
      assertThat(AdoptCopy.endCopied(database.admin().connection(), 1)).isZero();
      assertThat(app.value("select llm_status(?)", own)).isEqualTo("queued");
    }
  }

  @Test
  void isAdoptedAlsoWhereTheOriginalHasFailedOver() {
    database.admin().run("select pgoffload.prepare_timeline()");
    database
        .admin()
        .run("select pgoffload.begin_timeline(pgoffload.current_timeline(), null, 'accepted')");

    database.admin().run("select pgoffload.adopt()");

    assertThat(
            database
                .admin()
                .rows("select reason from pgoffload.server_timeline order by number desc limit 2"))
        .containsExactly("adopted", "accepted");
  }

  private String isCopy() {
    try (var worker = database.open("worker_login")) {
      return String.valueOf(worker.value("select pgoffload.is_copy()"));
    }
  }
}
