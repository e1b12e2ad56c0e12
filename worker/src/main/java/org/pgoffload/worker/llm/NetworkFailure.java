package org.pgoffload.worker.llm;

import java.io.EOFException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// Tells what a failed exchange means.
final class NetworkFailure {
  private NetworkFailure() {}

  static BrokenExchange classify(Throwable failure) {
    var causes = causes(failure);
    if (find(causes, UnresolvedAddressException.class) != null) {
      return new BrokenExchange(LlmErrorCode.PROVIDER_UNREACHABLE, "no such host");
    }
    if (find(causes, HttpConnectTimeoutException.class) != null) {
      return new BrokenExchange(LlmErrorCode.PROVIDER_UNREACHABLE, "connecting took too long");
    }
    if (find(causes, ConnectException.class) instanceof ConnectException e) {
      return new BrokenExchange(LlmErrorCode.PROVIDER_UNREACHABLE, words(e));
    }
    // A handshake that the other side cut off says nothing against its certificate.
    if (find(causes, SSLException.class) instanceof SSLException e
        && find(causes, EOFException.class) == null) {
      return new BrokenExchange(LlmErrorCode.TLS_FAILURE, words(e));
    }
    return new BrokenExchange(LlmErrorCode.CONNECTION_LOST, words(causes.getLast()));
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
