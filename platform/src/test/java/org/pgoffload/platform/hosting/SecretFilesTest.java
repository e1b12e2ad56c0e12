package org.pgoffload.platform.hosting;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SecretFilesTest {
  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({
    "OPENAI_API_KEY_FILE, true",
    "PGPASSWORD_FILE, true",
    "KAFKA_SSL_TRUSTSTORE_LOCATION, true",
    "KAFKA_SSL_KEYSTORE_LOCATION, true",
    "AZURE_CLIENT_CERTIFICATE_PATH, true",
    // read again by whoever uses them
    "AZURE_FEDERATED_TOKEN_FILE, false",
    "PGPASSFILE, false",
    "PATH, false"
  })
  void noticesWhatIsReadAtTheStartAlone(String variable, boolean noticed) throws IOException {
    var file = Files.writeString(directory.resolve("secret"), "old");
    var environment = Map.of(variable, file.toString());
    var before = SecretFiles.read(environment);
    assertThat(SecretFiles.read(environment)).isEqualTo(before);
    Files.writeString(file, "new");
    assertThat(SecretFiles.read(environment).equals(before)).isEqualTo(!noticed);
    Files.delete(file);
    assertThat(SecretFiles.read(environment).equals(before)).isEqualTo(!noticed);
  }
}
