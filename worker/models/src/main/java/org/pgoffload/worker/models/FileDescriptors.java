package org.pgoffload.worker.models;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Optional;

/// The file descriptors of this process, of which each connection takes one.
public final class FileDescriptors {
  /// With fewer free descriptors than this the lookup of a name may fail, which takes several.
  private static final long NONE_LEFT = 8;

  /// Descriptors that libraries, Kafka and the pool of the database take.
  private static final int OTHERS = 300;

  private FileDescriptors() {}

  /// The limit of this process (`ulimit -n`; the JVM has raised the soft limit to the hard one);
  /// `Long.MAX_VALUE` where the system tells none.
  public static long most() {
    return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
            && unix.getMaxFileDescriptorCount() > 0
        ? unix.getMaxFileDescriptorCount()
        : Long.MAX_VALUE;
  }

  /// The warning to log if the limit is too low for so many connections.
  public static Optional<String> tooFewFor(long connections) {
    return tooFewFor(connections, most());
  }

  public static Optional<String> tooFewFor(long connections, long most) {
    long needed = connections + OTHERS;
    return most >= needed
        ? Optional.empty()
        : Optional.of(
            "This process may have %d open files, and its calls to models and its tasks may need %d:"
                    .formatted(most, needed)
                + " raise its limit (ulimit -n; LimitNOFILE= of systemd; --ulimit nofile= of"
                + " Docker), or lower PGOFFLOAD_MAX_IN_FLIGHT");
  }

  public static boolean areUsedUp() {
    try {
      return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
          && unix.getMaxFileDescriptorCount() - unix.getOpenFileDescriptorCount() < NONE_LEFT;
    } catch (InternalError noneToCountThemWith) {
      return true;
    }
  }
}
