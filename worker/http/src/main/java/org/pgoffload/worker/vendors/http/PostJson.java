package org.pgoffload.worker.vendors.http;

import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.ResponseInfo;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/// Posts JSON to a vendor and reads the reply, bounded in time and size. Safe for any number of
/// threads; the one client inside keeps and reuses their connections. Nothing is retried.
public final class PostJson implements AutoCloseable {
  static {
    // The JDK reads this property when it loads its client. `Main` sets it too, in case another
    // class loads the client before this one.
    System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host");
  }

  private final HttpSettings settings;
  private final InstantSource clock;
  private final ExecutorService threads;
  private final @Nullable SSLContext tls;
  private final HttpClient client;

  /// For addresses that [CallableAddress] has looked up: they carry no name to choose a proxy by.
  private final HttpClient direct;

  public PostJson(HttpSettings settings, InstantSource clock) {
    this(settings, clock, null);
  }

  /// @param tls the certificates to trust and show; null for the JVM's own
  public PostJson(HttpSettings settings, InstantSource clock, @Nullable SSLContext tls) {
    this.settings = settings;
    this.clock = clock;
    this.threads = Executors.newVirtualThreadPerTaskExecutor();
    this.tls = tls;
    this.client = clientBuilder().build();
    this.direct = clientBuilder().proxy(EnvironmentProxies.NONE).build();
  }

  /// How the vendors are reached.
  public HttpSettings settings() {
    return settings;
  }

  /// The clock to which a date in a reply is relative.
  public InstantSource clock() {
    return clock;
  }

  /// Threads that may block; ended by [#close()].
  public ExecutorService threads() {
    return threads;
  }

  /// Another client for the same network: its proxies, its certificates, its threads.
  public HttpClient.Builder clientBuilder() {
    var builder =
        HttpClient.newBuilder()
            // Over HTTP/2 all calls to a vendor share one connection, and its loss fails them all.
            .version(HttpClient.Version.HTTP_1_1)
            // A redirect would carry the key to another host.
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(settings.connectTimeout())
            .proxy(settings.proxies())
            .executor(threads);
    return tls == null ? builder : builder.sslContext(tls);
  }

  /// Posts the body and waits, on the calling thread, for the headers of the reply alone. The
  /// caller closes the reply.
  ///
  /// @param timeout from connecting to the last byte
  /// @throws BrokenExchange if no reply begins in time
  /// @throws InterruptedException if the thread is interrupted; the connection is closed at once
  public OpenReply open(URI uri, Map<String, String> headers, byte[] body, Duration timeout)
      throws BrokenExchange, InterruptedException {
    var deadline = System.nanoTime() + TimeUnit.NANOSECONDS.convert(timeout);
    var proxy = settings.proxies().proxyOf(uri);
    var address =
        CallableAddress.of(
            uri,
            proxy,
            InetAddress::getByName,
            threads,
            shorter(timeout, settings.connectTimeout()));
    var request =
        HttpRequest.newBuilder(address.uri())
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("User-Agent", "pgoffload")
            .POST(BodyPublishers.ofByteArray(body));
    headers.forEach(request::header);
    if (address.hostHeader() != null) {
      request.header("Host", address.hostHeader());
    }
    var head = new AtomicReference<@Nullable ResponseInfo>();
    var reply = new ReplyBody(settings.idleTimeout(), timeout, deadline);
    var exchange =
        (address.hostHeader() == null ? client : direct)
            .sendAsync(
                request.build(),
                info -> {
                  head.set(info);
                  return reply;
                });
    awaitHeaders(exchange, head, reply, timeout, NetworkFailure.target(uri, proxy));
    return new OpenReply(Objects.requireNonNull(head.get()), reply, settings.maxResponseBytes());
  }

  /// The time now, to which the dates in a reply are relative.
  public Instant now() {
    return clock.instant();
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) <= 0 ? one : other;
  }

  private static void awaitHeaders(
      CompletableFuture<HttpResponse<ReplyBody>> exchange,
      AtomicReference<@Nullable ResponseInfo> head,
      ReplyBody reply,
      Duration timeout,
      String target)
      throws BrokenExchange, InterruptedException {
    var begun = false;
    try {
      var _ = exchange.get(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
      begun = true;
    } catch (TimeoutException expired) {
      throw ReplyBody.timedOut(timeout);
    } catch (ExecutionException failure) {
      if (head.get() == null) {
        throw NetworkFailure.classify(failure, target);
      }
      // The connection broke right after the headers. They have the vendor's id, so the reply is
      // opened, and reading its body fails.
      begun = true;
      reply.onError(failure);
    } finally {
      if (!begun) {
        // The first closes the connection before the headers are in, the second after that.
        exchange.cancel(true);
        reply.close();
      }
    }
  }

  /// Ends the calls under way. May be called more than once.
  @Override
  public void close() {
    client.shutdownNow();
    direct.shutdownNow();
    threads.shutdownNow();
  }
}
