package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Envelope;

/// Kafka Connect clusters run older Java.
final class BytecodeTest {
  private static final int JAVA_17 = 61;

  @ParameterizedTest
  @ValueSource(classes = {RequestTransform.class, Envelope.class})
  void everyClassLoadsOnJava17(Class<?> ofItsModule) throws IOException, URISyntaxException {
    var place = Path.of(ofItsModule.getProtectionDomain().getCodeSource().getLocation().toURI());
    if (Files.isDirectory(place)) {
      assertThat(newerThanJava17(place)).isEmpty();
    } else {
      try (var jar = FileSystems.newFileSystem(place)) {
        assertThat(newerThanJava17(jar.getPath("/"))).isEmpty();
      }
    }
  }

  private static List<String> newerThanJava17(Path root) throws IOException {
    var newer = new ArrayList<String>();
    var seen = 0;
    try (var files = Files.walk(root)) {
      for (var file : files.filter(f -> f.toString().endsWith(".class")).toList()) {
        try (var data = new DataInputStream(Files.newInputStream(file))) {
          assertThat(data.readInt()).isEqualTo(0xCAFEBABE);
          data.readUnsignedShort();
          seen++;
          if (data.readUnsignedShort() > JAVA_17) {
            newer.add(file.toString());
          }
        }
      }
    }
    assertThat(seen).isPositive();
    return newer;
  }
}
