package org.pgoffload.worker.vendors.http;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmErrorCode;

/// An address as the JDK's client takes it. That client calls no host for which `java.net.URI` has
/// no name, such as `my_llm`: the name is looked up here, and told in the header `Host`.
///
/// @param uri to call
/// @param hostHeader the name that was looked up; null if the address still has its name
record CallableAddress(URI uri, @Nullable String hostHeader) {

  /// Makes the address of an API callable.
  ///
  /// @param proxy through which it would be reached, or null
  /// @param lookUp finds the address of a name
  /// @param threads on which names are looked up
  /// @param patience for one lookup
  /// @throws BrokenExchange if there is no such host
  static CallableAddress of(
      URI uri,
      @Nullable HostAndPort proxy,
      LookUp lookUp,
      ExecutorService threads,
      Duration patience)
      throws BrokenExchange, InterruptedException {
    if (uri.getHost() != null) {
      return new CallableAddress(uri, null);
    }
    var target = Objects.requireNonNull(HostAndPort.of(uri), "an address of an API has a host");
    if (proxy != null) {
      throw new BrokenExchange(
          LlmErrorCode.PROVIDER_UNREACHABLE,
          target.host()
              + " is no name that can be called through a proxy: list it in NO_PROXY, or give it a"
              + " name of letters, digits and hyphens");
    }
    var found = lookUp(target, lookUp, threads, patience);
    var address = new HostAndPort(found.getHostAddress(), target.port());
    var called = uri.toString().replaceFirst("//[^/?]*", "//" + address);
    return new CallableAddress(
        URI.create(called), target.port() == 80 ? target.host() : target.toString());
  }

  /// Finds the address of a name.
  @FunctionalInterface
  interface LookUp {
    InetAddress of(String name) throws Exception;
  }

  private static InetAddress lookUp(
      HostAndPort target, LookUp lookUp, ExecutorService threads, Duration patience)
      throws BrokenExchange, InterruptedException {
    var looking = threads.submit(() -> lookUp.of(target.host()));
    try {
      return looking.get(TimeUnit.NANOSECONDS.convert(patience), TimeUnit.NANOSECONDS);
    } catch (ExecutionException failure) {
      if (failure.getCause() instanceof UnknownHostException) {
        throw NetworkFailure.noSuchHost(target.toString());
      }
      throw NetworkFailure.classify(failure, target.toString());
    } catch (TimeoutException late) {
      throw NetworkFailure.unreachable(
          target.toString(), "its name was not found within " + patience.toMillis() + " ms");
    } finally {
      looking.cancel(true);
    }
  }
}
