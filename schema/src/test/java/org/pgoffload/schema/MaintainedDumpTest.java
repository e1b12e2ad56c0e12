package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.platform.DatabaseAddress;

/// A whole database with maintained columns goes through `pg_dump` and `psql` into an empty one.
/// Skipped where this machine has none of the server's version or newer.
final class MaintainedDumpTest extends WithMaintainedRows {
  @Test
  void aDumpOfTheWholeDatabaseIsRestoredAdoptedAndResumed(@TempDir Path directory)
      throws IOException, InterruptedException, SQLException {
    assumeTrue(
        newestMajor(List.of("pg_dump", "--version")) >= version.major()
            && newestMajor(List.of("psql", "--version")) >= version.major(),
        "no pg_dump and psql of version " + version.major() + " or newer");
    keeper.run(MOOD);
    write(1, "as it was");
    write(2, "changed since");
    answerAll();
    write(3, "never answered");
    var empty = TestServer.of(version).newEmptyDatabase();
    var dump = directory.resolve("dump.sql");

    run(database.address(), List.of("pg_dump", "--file", dump.toString()));
    run(empty, List.of("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", dump.toString()));

    InstallSchema.run(empty, InstallSchema.DEFAULT_PUBLIC_SCHEMA);
    try (var fresh = TestServer.of(version).withSlot(empty)) {
      fresh.admin().run("select pgoffload.adopt()");
      fresh.sent();
      try (var back = OtherDatabase.of(this, fresh)) {
        assertThat(shown("status, source, target")).isEqualTo("paused|shop.ticket|mood");
        writer.run("update shop.ticket set body = 'by now' where id = 2");
        step();
        assertThat(database.sent()).isEmpty();
        database.admin().value("select ended from pgoffload.end_copied(-1, 1000)");

        keeper.run("select llm_maintain_resume('mood')");
        answerAll();
        assertThat(back.asked()).isEqualTo(2);
        assertThat(database.admin().rows("select id, mood from shop.ticket order by id"))
            .containsExactly(
                "1|THE MOOD OF: AS IT WAS AS IT WAS",
                "2|THE MOOD OF: CHANGED SINCE BY NOW",
                "3|THE MOOD OF: NEVER ANSWERED NEVER ANSWERED");
        assertThat(shown("status, pending, failed")).isEqualTo("active|0|0");
      }
    }
  }

  private static int newestMajor(List<String> command) throws InterruptedException {
    try {
      var said = said(new ProcessBuilder(command));
      return Integer.parseInt(said.replaceFirst("(?s)^.* (\\d+)[. (].*$", "$1"));
    } catch (IOException e) {
      return 0;
    }
  }

  private static void run(DatabaseAddress database, List<String> command)
      throws IOException, InterruptedException {
    var server = database.servers().getFirst();
    var builder = new ProcessBuilder(new ArrayList<>(command));
    var environment = builder.environment();
    environment.keySet().removeIf(name -> name.startsWith("PG"));
    environment.put("PGHOST", server.host());
    environment.put("PGPORT", Integer.toString(server.port()));
    environment.put("PGDATABASE", database.database());
    environment.put("PGUSER", database.user());
    environment.put("PGPASSWORD", Objects.requireNonNull(database.password()).reveal());
    said(builder);
  }

  private static String said(ProcessBuilder builder) throws IOException, InterruptedException {
    var process = builder.redirectErrorStream(true).start();
    process.getOutputStream().close();
    String said;
    try (var reader = new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)) {
      said = reader.readAllAsString();
    }
    assertThat(process.waitFor()).as(said).isZero();
    return said;
  }
}
