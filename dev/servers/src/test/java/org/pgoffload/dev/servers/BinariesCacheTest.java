package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BinariesCacheTest {

  private static final Map<String, String> BOTH = Map.of("XDG_CACHE_HOME", "/xdg", "HOME", "/h");

  @TempDir Path directory;

  @Test
  void isTheFirstOfThoseThatAreSaid() {
    assertThat(preferred("/named", BOTH, "/user", 0)).hasValue(Path.of("/named"));
    assertThat(preferred(null, BOTH, "/user", 0)).hasValue(Path.of("/xdg/pgoffload"));
    assertThat(preferred(null, Map.of("HOME", "/h"), "/user", 0))
        .hasValue(Path.of("/var/cache/pgoffload"));
    assertThat(preferred(null, Map.of("HOME", "/h"), "/user", 7))
        .hasValue(Path.of("/h/.cache/pgoffload"));
    assertThat(preferred(null, Map.of(), "/user", 7)).hasValue(Path.of("/user/.cache/pgoffload"));
    assertThat(preferred(null, Map.of("XDG_CACHE_HOME", "", "HOME", ""), "?", 7)).isEmpty();
  }

  @Test
  void fallsBackToADirectoryOfItsUsersOwn() throws IOException {
    var cache = new BinariesCache(Optional.of(notADirectory()), false, directory.resolve("own"));
    for (var attempt = 0; attempt < 2; attempt++) {
      assertThat(cache.in(BinariesCacheTest::created)).isEqualTo(directory.resolve("own"));
    }
    assertThat(
            new BinariesCache(Optional.empty(), false, directory.resolve("own"))
                .in(BinariesCacheTest::created))
        .isEqualTo(directory.resolve("own"));
  }

  @Test
  void isNotReplacedWhereItWasNamed() throws IOException {
    var cache = new BinariesCache(Optional.of(notADirectory()), true, directory.resolve("own"));
    assertUnusable(cache, "file is there and is not a directory");
    assertThat(directory.resolve("own")).doesNotExist();
  }

  @Test
  void trustsNoFallbackThatOthersMayWriteTo() throws IOException {
    var open = Files.createDirectory(directory.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertUnusable(new BinariesCache(Optional.empty(), false, open), "belongs to this user alone");

    var link = Files.createSymbolicLink(directory.resolve("link"), open);
    assertUnusable(new BinariesCache(Optional.empty(), false, link), "belongs to this user alone");
  }

  private static void assertUnusable(BinariesCache cache, String reason) {
    var refused =
        catchThrowableOfType(EmbeddedException.class, () -> cache.in(BinariesCacheTest::created));
    assertThat(refused.code()).isEqualTo(EmbeddedException.Code.DIRECTORY_UNUSABLE);
    assertThat(refused).hasMessageContaining(reason).hasMessageContaining("-Dpgoffload.cache=DIR");
  }

  private Path notADirectory() throws IOException {
    return Files.createFile(directory.resolve("file"));
  }

  private static Path created(Path cache) {
    Directories.create(cache);
    return cache;
  }

  private static Optional<Path> preferred(
      @Nullable String named, Map<String, String> environment, String userHome, long user) {
    return BinariesCache.of(named, environment, userHome, "/tmp", user).preferred();
  }
}
