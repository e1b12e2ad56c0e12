package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.OutputType;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.schema.Session;

/// Makes the picture of the console that the README shows, from the page of an installation that
/// `./pgoffload dev` runs for this: CONTRIBUTING.md says how. It gets an hour of requests first.
@Timeout(120)
final class PictureTest {
  /// The largest picture that a reader of the README has to wait for.
  private static final int MOST_BYTES = 200_000;

  @Test
  void makesThePictureOfTheReadme() throws IOException {
    var ready = System.getProperty("picture.of");
    assumeTrue(ready != null, "-Dpicture.of=FILE, the ready file of ./pgoffload dev");
    var addresses = new ObjectMapper().readTree(Path.of(Objects.requireNonNull(ready)).toFile());
    var missing = Chromium.missing();
    assertThat(missing).isEmpty();
    var history =
        new String(
            Objects.requireNonNull(PictureTest.class.getResourceAsStream("picture.sql"))
                .readAllBytes(),
            StandardCharsets.UTF_8);
    try (var admin = Session.open(DatabaseAddress.parse(addresses.get("admin_url").asText()))) {
      admin.run(history);
    }
    var reader = DatabaseAddress.parse(addresses.get("postgres_url").asText());
    var browser = Chromium.start("--hide-scrollbars");
    try {
      browser.manage().window().setSize(new Dimension(1280, 900));
      browser.get(addresses.get("console_url").asText());
      browser.findElement(By.name("role")).sendKeys(reader.user());
      browser
          .findElement(By.name("password"))
          .sendKeys(Objects.requireNonNull(reader.password()).reveal());
      browser.findElement(By.cssSelector("button.main")).click();
      Awaitility.await()
          .atMost(Duration.ofSeconds(30))
          .ignoreExceptions()
          .until(() -> browser.findElements(By.cssSelector(".chart canvas")).size() == 2);
      var picture = browser.getScreenshotAs(OutputType.BYTES);
      assertThat(picture).hasSizeLessThan(MOST_BYTES);
      Files.write(Path.of(System.getProperty("picture.to", "../docs/console.png")), picture);
    } finally {
      browser.quit();
    }
  }
}
