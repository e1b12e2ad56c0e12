package org.pgoffload.platform.hosting;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.Settings;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs one part in this process until the part is ended, and serves the part's health and measures
/// at the management address.
///
/// On SIGHUP this class looks whether the files that the part's variables name have changed. If
/// they have, and all logins work with the new files, the part is closed, as at the end of the
/// process, and started anew; otherwise the part goes on.
public final class RunPart {
  private static final Logger LOG = LoggerFactory.getLogger(RunPart.class);

  private final Supplier<Settings> read;
  private final String name;
  private final Function<Settings, Function<Telemetry, RunningPart>> configure;
  private final Consumer<Settings> checkLogins;

  private RunPart(
      Supplier<Settings> read,
      String name,
      Consumer<Settings> checkLogins,
      Function<Settings, Function<Telemetry, RunningPart>> configure) {
    this.read = read;
    this.name = name;
    this.configure = configure;
    this.checkLogins = checkLogins;
  }

  /// Blocks until the part has ended.
  ///
  /// @param read reads the environment
  /// @param name of the part, a word
  /// @param databaseOf whose login it has: `PRODUCER`, `WORKER`, `RESULTS`, or null for the owner's
  /// @param configure makes of the environment what starts the part
  /// @return the exit status: 1, since a part that was not ended by a signal could not go on
  /// @throws ConfigurationException if the environment says something wrong at the start
  public static int run(
      Supplier<Settings> read,
      String name,
      @Nullable String databaseOf,
      Function<Settings, Function<Telemetry, RunningPart>> configure)
      throws InterruptedException {
    return run(new RunPart(read, name, new CheckLogins(databaseOf)::with, configure));
  }

  /// The same, of a part that has no login of its own.
  public static int runWithoutLogin(
      Supplier<Settings> read,
      String name,
      Function<Settings, Function<Telemetry, RunningPart>> configure)
      throws InterruptedException {
    return run(new RunPart(read, name, _ -> {}, configure));
  }

  private static int run(RunPart runPart) throws InterruptedException {
    try (var hangups = Hangups.listen()) {
      var next = runPart.configured();
      while (next != null && !isEnding()) {
        next = runPart.runUntilChanged(next, hangups);
      }
      return 1;
    }
  }

  /// Whether the process was told to end, by a signal say: then nothing is started any more.
  private static boolean isEnding() {
    var probe = new Thread(() -> {});
    try {
      Runtime.getRuntime().addShutdownHook(probe);
      Runtime.getRuntime().removeShutdownHook(probe);
      return false;
    } catch (IllegalStateException e) {
      return true;
    }
  }

  /// The configuration of a part.
  ///
  /// @param files read before the settings, so that a change in between counts as a change
  private record Configured(
      SecretFiles files, Settings settings, Function<Telemetry, RunningPart> start) {}

  private Configured configured() {
    var settings = read.get();
    var files = SecretFiles.read(settings.variables());
    return new Configured(files, settings, configure.apply(settings));
  }

  /// @return what to start next, if that is why the part has ended
  private @Nullable Configured runUntilChanged(Configured now, Hangups hangups)
      throws InterruptedException {
    var next = new AtomicReference<@Nullable Configured>();
    try (var observe = Observe.start(now.settings, name);
        var part = now.start.apply(observe.telemetry());
        var _ = new RunUntilShutdown(() -> close(part, observe))) {
      observe.tellOf(name, part::health);
      // of the system's, so that no number of busy virtual threads keeps it from running
      var watcher =
          Thread.ofPlatform()
              .name("pgoffload-hangup")
              .start(() -> closeWhenChanged(part, now.files, hangups, next));
      part.awaitEnd();
      if (next.get() == null) {
        watcher.interrupt();
      }
      // one that closes the part is still at it: interrupted, it could give up no lease
      watcher.join();
    }
    return next.get();
  }

  /// With the spans of what it did last: the process may end as soon as this returns.
  private static void close(RunningPart part, Observe observe) {
    part.close();
    observe.close();
  }

  private void closeWhenChanged(
      RunningPart part,
      SecretFiles files,
      Hangups hangups,
      AtomicReference<@Nullable Configured> next) {
    try {
      while (true) {
        hangups.awaitNext();
        if (SecretFiles.read(read.get().variables()).equals(files)) {
          LOG.info("SIGHUP: none of the files that this part has read has changed; it goes on");
          continue;
        }
        try {
          checkLogins.accept(read.get());
          next.set(configured());
        } catch (ConfigurationException e) {
          LOG.error(
              "SIGHUP: the files have changed, and what they say is wrong; this part goes on with"
                  + " what it had: {}",
              e.getMessage());
          continue;
        } catch (RuntimeException e) {
          LOG.error("SIGHUP: what the files say cannot be tried; this part goes on as it was", e);
          continue;
        }
        LOG.info("SIGHUP: the files have changed; this part is closed, and starts with them");
        part.close();
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
