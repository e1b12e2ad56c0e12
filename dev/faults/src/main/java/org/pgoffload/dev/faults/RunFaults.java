package org.pgoffload.dev.faults;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.faults.injections.Fault;
import org.pgoffload.dev.faults.injections.RandomMix;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.Installation;
import org.pgoffload.dev.faults.installation.PartCommand;
import org.pgoffload.dev.faults.installation.Shape;
import org.pgoffload.dev.faults.installation.SmallDisk;
import org.pgoffload.dev.servers.EmbeddedException;

/// Injects the faults of a plan one after another into an installation under load, each followed by
/// a look at the books. One installation serves many faults; those that ruin it have their own.
///
/// For one thread, except that closing it, from whichever, ends everything that runs.
public final class RunFaults implements AutoCloseable {
  private final FaultPlan plan;
  private final PartCommand command;
  private final Consumer<String> say;
  private final String id;
  private @Nullable Installation shared;
  private @Nullable Installation own;
  private boolean closed;

  /// @param command how parts are started
  /// @param say is told each step
  public RunFaults(FaultPlan plan, PartCommand command, Consumer<String> say) {
    this.plan = plan;
    this.command = command;
    this.say = say;
    this.id = Long.toString(Math.floorMod(System.nanoTime(), 36L * 36 * 36 * 36), 36);
  }

  /// Injects all faults.
  ///
  /// @return an outcome for each, in their order
  /// @throws FaultsException if an installation does not start
  public List<FaultOutcome> run() throws SQLException {
    var outcomes = new ArrayList<FaultOutcome>();
    for (var fault : faults()) {
      if (isClosed()) {
        break;
      }
      say.accept(fault.name() + ": " + fault.description());
      var outcome = run(fault, "r" + id + "-" + outcomes.size());
      outcomes.add(outcome);
      say.accept(
          "  "
              + (outcome.balances() ? "balances" : "DOES NOT BALANCE")
              + (outcome.recovery().isEmpty() ? "" : "; " + outcome.recovery())
              + "; "
              + String.join("; ", outcome.notes()));
      outcome.problems().stream().limit(5).forEach(problem -> say.accept("  " + problem));
    }
    return outcomes;
  }

  private List<Fault> faults() {
    var faults = new ArrayList<>(plan.faults());
    for (int round = 1; round <= plan.rounds(); round++) {
      faults.add(RandomMix.round(round, random("mix-" + round)));
    }
    return faults;
  }

  /// Of its own for each, so that a fault alone meets the same as among others.
  private Random random(String fault) {
    return new Random(plan.seed() * 31 + fault.hashCode());
  }

  private FaultOutcome run(Fault fault, String run) throws SQLException {
    if (!fault.isAlone()) {
      return inject(shared(), fault, run);
    }
    var place =
        Installation.Place.in(created(plan.directory().resolve(fault.name())), fault.shape());
    var small = fault.smallDisk(place);
    if (small.isEmpty()) {
      return alone(place, fault, run);
    }
    var mounted = SmallDisk.mount(small.get());
    if (mounted.isEmpty()) {
      return FaultOutcome.skipped(fault.name(), "this user may not mount a tmpfs");
    }
    try (var _ = mounted.get()) {
      return alone(place, fault, run);
    }
  }

  private FaultOutcome alone(Installation.Place place, Fault fault, String run)
      throws SQLException {
    end(shared); // two at a time starve each other on a small machine
    shared = null;
    try (var installation = start(place)) {
      own = installation;
      return inject(installation, fault, run);
    } catch (EmbeddedException e) {
      if (e.code() == EmbeddedException.Code.BINARIES_MISSING) {
        return FaultOutcome.skipped(fault.name(), String.valueOf(e.getMessage()));
      }
      throw e;
    } finally {
      own = null;
    }
  }

  private FaultOutcome inject(Installation installation, Fault fault, String run)
      throws SQLException {
    try {
      return new InjectFault(installation, plan.requests(), random(fault.name())).run(fault, run);
    } catch (FaultsException e) {
      // it could not be made whole again: the next fault has a new one
      end(installation);
      if (installation.equals(shared)) {
        shared = null;
      }
      return FaultOutcome.broken(fault.name(), String.valueOf(e.getMessage()));
    }
  }

  private Installation shared() throws SQLException {
    var present = shared;
    if (present == null) {
      var directory = plan.directory().resolve("shared-" + System.nanoTime());
      present = start(Installation.Place.in(created(directory), Shape.USUAL));
      synchronized (this) {
        shared = present;
      }
    }
    return present;
  }

  private Installation start(Installation.Place place) throws SQLException {
    var started = Installation.start(place, command, say);
    if (isClosed()) {
      started.close();
      throw new FaultsException("ended while an installation was starting");
    }
    return started;
  }

  private static Path created(Path directory) {
    try {
      return Files.createDirectories(directory.toAbsolutePath().normalize());
    } catch (IOException e) {
      throw new UncheckedIOException("directory " + directory + " cannot be made", e);
    }
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  private static void end(@Nullable Installation installation) {
    if (installation != null) {
      installation.close();
    }
  }

  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
    }
    end(own);
    end(shared);
    if (!plan.keep()) {
      delete(plan.directory());
    }
  }

  private static void delete(Path directory) {
    try (var files = Files.walk(directory)) {
      for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("directory " + directory + " cannot be removed", e);
    }
  }
}
