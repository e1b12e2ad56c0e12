package org.pgoffload.dev.faults.installation;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A part of the installation, whose process comes and goes. Every process has a name of its own,
/// by which a worker's claims are known. Thread-safe.
public final class Part {
  private static final Duration START = Duration.ofSeconds(90);

  private final String name;
  private final String verb;
  private final List<String> ready;
  private final PartCommand command;
  private final Path directory;
  private final Supplier<Map<String, String>> environment;
  private @Nullable PartProcess process;
  private int starts;
  private int identities;

  /// @param verb the command that starts it
  /// @param ready what its output says, all of it, once it does its work
  /// @param environment asked at each start
  Part(
      String name,
      String verb,
      List<String> ready,
      PartCommand command,
      Path directory,
      Supplier<Map<String, String>> environment) {
    this.name = name;
    this.verb = verb;
    this.ready = ready;
    this.command = command;
    this.directory = directory;
    this.environment = environment;
  }

  public String name() {
    return name;
  }

  /// The name of its present process, under which a worker claims.
  public synchronized String identity() {
    return name + "-" + identities;
  }

  /// Starts a process without waiting for it; the one before must have ended.
  public synchronized void start() {
    identities++;
    startUnderItsName();
  }

  /// The same, under the name of the process before.
  public synchronized void startUnderItsName() {
    if (process != null && process.isAlive()) {
      throw new IllegalStateException(name + " runs already");
    }
    starts++;
    var whole = new TreeMap<>(environment.get());
    whole.put("PGOFFLOAD_WORKER_NAME", identity());
    process =
        PartProcess.start(
            command, List.of(verb), whole, directory.resolve(name + "-" + starts + ".log"));
  }

  /// Starts a successor beside the present process, which is ended by SIGTERM once the successor is
  /// ready, or says that it stands by; returns when the successor does its work.
  ///
  /// @param standsBy what a successor says that waits for the end of the one before
  public void replace(String standsBy) {
    PartProcess former;
    PartProcess successor;
    synchronized (this) {
      former = process();
      process = null;
      start();
      successor = process();
    }
    awaitOutput(successor, () -> isReady(successor) || successor.says(standsBy));
    former.terminate();
    awaitReady();
  }

  /// Waits until the present process does its work.
  ///
  /// @throws FaultsException if it has ended, or is not ready after 90 s
  public void awaitReady() {
    var present = process();
    awaitOutput(present, () -> isReady(present));
  }

  private boolean isReady(PartProcess present) {
    return ready.stream().allMatch(present::says);
  }

  private void awaitOutput(PartProcess present, BooleanSupplier wanted) {
    Await.until(
        () -> wanted.getAsBoolean() || !present.isAlive(),
        START,
        () -> name + " is not ready; its output ends with:\n" + tail(present.output()));
    if (!present.isAlive()) {
      throw new FaultsException(name + " has ended:\n" + tail(present.output()));
    }
  }

  /// The present process.
  public synchronized PartProcess process() {
    if (process == null) {
      throw new IllegalStateException(name + " was never started");
    }
    return process;
  }

  public synchronized boolean runs() {
    return process != null && process.isAlive();
  }

  /// SIGKILL, if it runs.
  public void kill() {
    if (runs()) {
      process().kill();
    }
  }

  /// SIGTERM, if it runs.
  public void terminate() {
    if (runs()) {
      process().terminate();
    }
  }

  private static String tail(String text) {
    return text.substring(Math.max(0, text.length() - 2000));
  }
}
