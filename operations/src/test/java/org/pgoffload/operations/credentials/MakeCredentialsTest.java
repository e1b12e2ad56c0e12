package org.pgoffload.operations.credentials;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MakeCredentialsTest {
  @TempDir Path directory;

  @Test
  void giveEachReaderWhatItNeedsAndNothingElse() throws IOException {
    make();
    assertThat(files("worker"))
        .containsOnlyKeys("password", "authority.crt", "worker.crt", "worker.pk8");
    assertThat(files("producer")).containsOnlyKeys("password", "authority.crt");
    assertThat(files("results")).containsOnlyKeys("password", "authority.crt");
    assertThat(files("console")).containsOnlyKeys("authority.crt");
    assertThat(files("owner"))
        .containsOnlyKeys(
            "password", "producer_password", "worker_password", "results_password", "authority.crt")
        .containsEntry("worker_password", files("worker").get("password"))
        .containsEntry("producer_password", files("producer").get("password"))
        .containsEntry("results_password", files("results").get("password"));
    assertThat(files("postgres"))
        .containsOnlyKeys(
            "superuser_password",
            "owner_password",
            "app_password",
            "authority.crt",
            "server.crt",
            "server.key")
        .containsEntry("owner_password", files("owner").get("password"));
    assertThat(files("worker").get("password"))
        .hasSize(32)
        .isNotEqualTo(files("producer").get("password"));
  }

  @Test
  void areReadableByTheirOwnersAlone() throws IOException {
    make();
    try (var all = Files.walk(directory.resolve("worker"))) {
      assertThat(all.filter(Files::isRegularFile))
          .allSatisfy(file ->
              assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                  .isEqualTo("r--------"));
    }
  }

  @Test
  void stayAsTheyAreAndAreCompletedWhereOneIsMissing() throws IOException {
    assertThat(make()).hasSize(6);
    var worker = files("worker");
    assertThat(make()).isEmpty();
    Files.delete(directory.resolve("worker/password"));
    assertThat(make()).containsExactly(directory.resolve("worker").toString());
    assertThat(files("worker")).isEqualTo(worker);
  }

  private List<String> make() throws IOException {
    return new MakeCredentials(directory, List.of("postgres"), Duration.ofDays(365), null, null)
        .run();
  }

  private Map<String, String> files(String reader) throws IOException {
    var contents = new TreeMap<String, String>();
    try (var files = Files.list(directory.resolve(reader))) {
      for (var file : files.toList()) {
        contents.put(
            file.getFileName().toString(),
            Files.readString(file, java.nio.charset.StandardCharsets.ISO_8859_1));
      }
    }
    return contents;
  }
}
