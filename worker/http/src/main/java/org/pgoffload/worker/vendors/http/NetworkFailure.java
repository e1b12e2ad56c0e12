package org.pgoffload.worker.vendors.http;

import java.io.EOFException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpConnectTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.UnresolvedAddressException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.FileDescriptors;
import org.pgoffload.worker.models.LlmErrorCode;

/// Tells what a failed exchange means.
public final class NetworkFailure {
  /// The words for EMFILE and ENFILE: the JDK does not keep the numbers.
  private static final List<String> NO_DESCRIPTOR =
      List.of("Too many open files", "No file descriptors available");

  private NetworkFailure() {}

  /// The host that an exchange connects to, in words.
  ///
  /// @param proxy through which it goes, or null
  static String target(URI uri, @Nullable HostAndPort proxy) {
    var target = Objects.requireNonNull(HostAndPort.of(uri), "an address of an API has a host");
    return proxy == null ? target.toString() : "the proxy " + proxy + " of " + target;
  }

  /// The failure in a stable code and in words.
  ///
  /// For an exchange that had begun, or whose caller names the host itself.
  public static BrokenExchange classify(Throwable failure) {
    return classify(failure, "its host");
  }

  /// The failure in a stable code and in words that name the target.
  ///
  /// @param target the host that the exchange connected to
  public static BrokenExchange classify(Throwable failure, String target) {
    var causes = causes(failure);
    if (causes.stream().anyMatch(NetworkFailure::lacksDescriptor)) {
      return noDescriptor();
    }
    if (find(causes, UnresolvedAddressException.class) != null) {
      return noSuchHost(target);
    }
    if (find(causes, HttpConnectTimeoutException.class) != null) {
      return unreachable(target, "connecting took too long");
    }
    if (find(causes, ConnectException.class) instanceof ConnectException e) {
      return unreachable(target, whyNot(e, causes));
    }
    // A handshake that the other side cut off says nothing against its certificate.
    if (find(causes, SSLException.class) instanceof SSLException e
        && find(causes, EOFException.class) == null) {
      return new BrokenExchange(LlmErrorCode.TLS_FAILURE, words(e));
    }
    return new BrokenExchange(LlmErrorCode.CONNECTION_LOST, words(causes.getLast()));
  }

  /// The failure when a name has no address. A lookup needs descriptors too, and reports the same
  /// when there are none left.
  static BrokenExchange noSuchHost(String target) {
    return FileDescriptors.areUsedUp() ? noDescriptor() : unreachable(target, "no such host");
  }

  private static BrokenExchange noDescriptor() {
    return new BrokenExchange(
        LlmErrorCode.TOO_MANY_OPEN_FILES,
        "not called, since the worker has too many open files: raise its ulimit -n");
  }

  static BrokenExchange unreachable(String target, String why) {
    return new BrokenExchange(
        LlmErrorCode.PROVIDER_UNREACHABLE, "no connection to " + target + ": " + why);
  }

  /// The first message among the causes: the JDK's client gives its own failure none.
  private static String whyNot(ConnectException failure, List<Throwable> causes) {
    // The client tries a refused connection again on the closed channel, and reports that failure.
    if (find(causes, ClosedChannelException.class) != null) {
      return "connection refused";
    }
    return causes.stream()
        .filter(SocketException.class::isInstance)
        .map(Throwable::getMessage)
        .filter(Objects::nonNull)
        .findFirst()
        .orElseGet(() -> words(failure));
  }

  private static boolean lacksDescriptor(Throwable failure) {
    var words = Objects.requireNonNullElse(failure.getMessage(), "");
    return NO_DESCRIPTOR.stream().anyMatch(words::contains);
  }

  private static String words(Throwable failure) {
    return Objects.requireNonNullElse(failure.getMessage(), failure.getClass().getSimpleName());
  }

  private static @Nullable Throwable find(List<Throwable> causes, Class<?> type) {
    return causes.stream().filter(type::isInstance).findFirst().orElse(null);
  }

  private static List<Throwable> causes(Throwable failure) {
    var causes = new ArrayList<Throwable>();
    Throwable cause = failure;
    // A chain may run in a circle.
    while (cause != null && causes.size() < 20) {
      causes.add(cause);
      cause = cause.getCause();
    }
    return causes;
  }
}
