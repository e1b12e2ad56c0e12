package org.pgoffload.dev.faults.injections;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import org.pgoffload.dev.faults.installation.Installation;
import org.pgoffload.dev.faults.installation.Shape;

/// Something that goes wrong.
///
/// @param name by which it is chosen: lower case and hyphens
/// @param description one sentence
/// @param needs what it wants of its installation
/// @param spread how long the load lasts at least; the fault begins after a quarter of this time
/// @param shape of the installation; another than the usual one is an installation of its own
/// @param injection makes it happen, and ends what it began or leaves it to the healing afterwards
public record Fault(
    String name,
    String description,
    Set<Need> needs,
    Duration spread,
    Shape shape,
    Injection injection) {
  public Fault {
    if (!name.matches("[a-z0-9-]+")) {
      throw new IllegalArgumentException("no name of a fault: " + name);
    }
    needs = Set.copyOf(needs);
  }

  /// The needs of a fault.
  public enum Need {
    /// The parts reach everything through links.
    LINKS,
    /// An installation of its own, because the fault ruins it.
    OWN_INSTALLATION,
    /// A small disk of its own below PostgreSQL's data.
    SMALL_POSTGRES_DISK,
    /// A small disk of its own below the records of the broker, or of the first of three.
    SMALL_KAFKA_DISK,
    /// Immediate calls may end with a clear error.
    TELLS_CALLERS,
    /// A tenth of the usual load, beside one of its own, whose calls are counted: none is given up.
    LOAD_OF_ITS_OWN
  }

  /// Makes it happen.
  @FunctionalInterface
  public interface Injection {
    /// Returns when what it does under load is done.
    ///
    /// @throws Exception whatever keeps it from happening, which fails the run
    void into(Scene scene) throws Exception;
  }

  static Fault of(String name, String description, Injection injection, Need... needs) {
    return new Fault(
        name, description, Set.of(needs), Duration.ofSeconds(10), Shape.USUAL, injection);
  }

  /// The same with a load that lasts longer.
  Fault lasting(Duration longer) {
    return new Fault(name, description, needs, longer, shape, injection);
  }

  /// The same in an installation with other servers.
  Fault in(Shape other) {
    return new Fault(name, description, needs, spread, other, injection);
  }

  /// The directory that is to be on a small disk.
  public Optional<Path> smallDisk(Installation.Place place) {
    if (needs.contains(Need.SMALL_POSTGRES_DISK)) {
      return Optional.of(place.postgres());
    }
    return needs.contains(Need.SMALL_KAFKA_DISK)
        ? Optional.of(place.brokers().getFirst())
        : Optional.empty();
  }

  /// Whether the fault has its installation for itself.
  public boolean isAlone() {
    return needs.contains(Need.OWN_INSTALLATION) || !shape.equals(Shape.USUAL);
  }
}
