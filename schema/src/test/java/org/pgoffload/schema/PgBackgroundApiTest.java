package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.protocol.Secret;

/// Which pg_background `pg_background_launch(text, integer)` follows, and what every session shows
/// of pg_background's settings: both are of a database, by its installation.
@Timeout(120)
final class PgBackgroundApiTest {
  private static final String LAUNCHES =
      "select pg_typeof(pg_background_launch('x')), pg_typeof(pg_background_launch('x', 0, 'l'))";

  @ForPostgresVersions
  void changesWithTheInstallationThatAsksForIt(PostgresVersion version) {
    try (var database = EmptyDatabase.of(version);
        var admin = Session.open(database.address())) {
      InstallSchema.run(database.address(), "public");
      admin.run("grant usage on schema public to ann");
      try (var ann = Session.open(database.address().as("ann", Secret.of("ann")))) {
        assertThat(ann.rows(LAUNCHES)).containsExactly("integer|pg_background_handle");

        assertThat(InstallSchema.run(database.address(), "public", "2"))
            .containsExactly("replaced 16 pg background", "replaced 99 rights");
        assertThat(ann.rows(LAUNCHES)).containsExactly("pg_background_handle|pg_background_handle");
        assertThat(ann.value("select pg_background_launch(null) is null")).isEqualTo("t");
        assertThat(
                ann.value("select value from pgoffload.setting where name = 'pg_background_api'"))
            .isEqualTo("2");
        // v1's other functions do not clash
        ann.run("select pg_background_detach((pg_background_launch('x')).pid)");
        assertThat(InstallSchema.run(database.address(), "public", "2")).isEmpty();
        assertThat(InstallSchema.run(database.address(), "public")).isEmpty();

        assertThat(InstallSchema.run(database.address(), "public", "1"))
            .containsExactly("replaced 16 pg background", "replaced 99 rights");
        assertThat(ann.rows(LAUNCHES)).containsExactly("integer|pg_background_handle");
        // set by hand, it is what the next installation brings about
        admin.run("update pgoffload.setting set value = '2' where name = 'pg_background_api'");
        assertThat(InstallSchema.run(database.address(), "public"))
            .containsExactly("replaced 16 pg background", "replaced 99 rights");
        assertThat(ann.rows(LAUNCHES)).containsExactly("pg_background_handle|pg_background_handle");
      }
    }
  }

  @ForPostgresVersions
  void namesWhatDependsOnTheOldFormAndChangesNothing(PostgresVersion version) {
    try (var database = EmptyDatabase.of(version);
        var admin = Session.open(database.address())) {
      InstallSchema.run(database.address(), "public");
      for (var statement :
          List.of(
              "create view launcher as select pg_background_launch('select 1') as pid",
              "create table task (command text, pid integer default pg_background_launch('select 2'))",
              "create function atomic() returns integer begin atomic select pg_background_launch('select 3'); end",
              "create function written() returns integer language plpgsql as $$begin return pg_background_launch('select 4'); end$$",
              "create function other() returns integer language plpgsql as $$begin return (pg_background_launch_v2('select 5')).pid; end$$")) {
        admin.run(statement);
      }
      assertThatThrownBy(() -> InstallSchema.run(database.address(), "public", "2"))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining("pg_background_launch(text,integer)")
          .hasMessageContaining("view public.launcher")
          .hasMessageContaining("function public.atomic()")
          .hasMessageContaining("default value for column pid of table public.task");
      assertThat(
              admin.value("select value from pgoffload.setting where name = 'pg_background_api'"))
          .isEqualTo("1");

      admin.run(
          "drop view launcher; drop function atomic(); alter table task alter pid drop default");
      // the text of a body is no dependency: it is pointed out
      assertThat(InstallSchema.run(database.address(), "public", "2"))
          .containsExactly(
              "replaced 16 pg background",
              "replaced 99 rights",
              "look at these functions, whose text calls pg_background_launch, which returns a handle now: public.written()");
    }
  }

  @ParameterizedTest
  @EnumSource(names = "V18")
  void refusesAVersionThatThereIsNot(PostgresVersion version) {
    try (var database = EmptyDatabase.of(version)) {
      assertThatThrownBy(() -> InstallSchema.run(database.address(), "public", "3"))
          .isInstanceOf(InstallException.class)
          .hasMessageContaining("pg_background_api is '3': it must be 1,");
    }
  }

  @ForPostgresVersions
  void showsTheSettingsInEverySessionOfTheDatabase(PostgresVersion version) {
    try (var database = EmptyDatabase.of(version)) {
      InstallSchema.run(database.address(), "public");
      try (var ann = Session.open(database.address().as("ann", Secret.of("ann")));
          var admin = Session.open(database.address())) {
        assertThat(ann.value("show pg_background.max_workers")).isEqualTo("16");
        assertThat(ann.value("show pg_background.default_queue_size")).isEqualTo("64kB");
        assertThat(ann.value("select current_setting('pg_background.worker_timeout')"))
            .isEqualTo("0");
        ann.run("set pg_background.max_workers = 2; reset pg_background.max_workers");
        assertThat(ann.value("show pg_background.max_workers")).isEqualTo("16");
        // nothing of it has to travel with a task
        assertThat(ann.value("select pgoffload.session_settings() ? 'pg_background.max_workers'"))
            .isEqualTo("f");
        // what an administrator has chosen stays
        admin.run(
            "alter database "
                + database.address().database()
                + " set pg_background.max_workers = 4");
      }
      InstallSchema.run(database.address(), "public");
      try (var ann = Session.open(database.address().as("ann", Secret.of("ann")))) {
        assertThat(ann.value("show pg_background.max_workers")).isEqualTo("4");
        assertThat(ann.value("select pgoffload.session_settings() ->> 'pg_background.max_workers'"))
            .isEqualTo("4");
      }
    }
  }
}
