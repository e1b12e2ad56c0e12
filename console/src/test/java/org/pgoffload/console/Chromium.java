package org.pgoffload.console;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;

/// Debian's Chromium, which the tests install where they can.
final class Chromium {
  private static final Path BROWSER = Path.of("/usr/bin/chromium");
  private static final Path DRIVER = Path.of("/usr/bin/chromedriver");
  private static final int PATIENCE_MINUTES = 5;

  private Chromium() {}

  /// Why there is no browser, or empty.
  static synchronized Optional<String> missing() {
    if (isThere()) {
      return Optional.empty();
    }
    try {
      var script =
          Path.of(
              Objects.requireNonNull(Chromium.class.getResource("install-chromium.sh")).toURI());
      var install =
          new ProcessBuilder("sh", script.toString())
              .redirectErrorStream(true)
              .redirectOutput(new File("target/install-chromium.log"))
              .start();
      if (!install.waitFor(PATIENCE_MINUTES, TimeUnit.MINUTES)) {
        install.destroyForcibly();
      }
    } catch (IOException | java.net.URISyntaxException e) {
      return Optional.of("Chromium cannot be installed: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return isThere()
        ? Optional.empty()
        : Optional.of(
            "there is no "
                + BROWSER
                + " or no "
                + DRIVER
                + ": apt-get install chromium chromium-driver");
  }

  private static boolean isThere() {
    return Files.isExecutable(BROWSER) && Files.isExecutable(DRIVER);
  }

  /// Starts one with nothing in it.
  static ChromeDriver start(String... more) {
    var options = new ChromeOptions();
    options.setBinary(BROWSER.toFile());
    // no directory of ours: the driver removes the one that it makes
    options.addArguments(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1300,900");
    options.addArguments(List.of(more));
    var service =
        new ChromeDriverService.Builder()
            .usingDriverExecutable(DRIVER.toFile())
            .usingAnyFreePort()
            .withSilent(true)
            .build();
    return new ChromeDriver(service, options);
  }
}
