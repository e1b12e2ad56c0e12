package org.pgoffload.worker.llm;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/// Posts JSON to a vendor and reads the whole reply, bounded in time and size. Safe for any number
/// of threads; the one client inside keeps and reuses their connections. Nothing is retried.
final class PostJson implements AutoCloseable {
  private final HttpSettings settings;
  private final InstantSource clock;
  private final ExecutorService threads;
  private final HttpClient client;

  PostJson(HttpSettings settings, InstantSource clock) {
    this(settings, clock, null);
  }

  /// @param tls the certificates to trust and show; null for the JVM's own
  PostJson(HttpSettings settings, InstantSource clock, @Nullable SSLContext tls) {
    this.settings = settings;
    this.clock = clock;
    this.threads = Executors.newVirtualThreadPerTaskExecutor();
    var builder =
        HttpClient.newBuilder()
            // Over HTTP/2 all calls to a vendor share one connection, and its loss fails them all.
            .version(HttpClient.Version.HTTP_1_1)
            // A redirect would carry the key to another host.
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(settings.connectTimeout())
            .proxy(settings.proxies())
            .executor(threads);
    if (tls != null) {
      builder.sslContext(tls);
    }
    this.client = builder.build();
  }

  /// Posts the body and waits, on the calling thread, until the reply is in, the time is over or
  /// the reply stands still for the idle timeout.
  ///
  /// @param timeout from connecting to the last byte
  /// @throws InterruptedException if the thread is interrupted; the connection is closed at once
  HttpOutcome post(URI uri, Map<String, String> headers, byte[] body, Duration timeout)
      throws InterruptedException {
    var request =
        HttpRequest.newBuilder(uri)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .header("User-Agent", "pgoffload")
            .POST(BodyPublishers.ofByteArray(body));
    headers.forEach(request::header);
    var progress = new ReplyProgress(settings.maxResponseBytes());
    return waitFor(client.sendAsync(request.build(), progress), progress, timeout);
  }

  private HttpOutcome waitFor(
      CompletableFuture<HttpResponse<byte[]>> exchange, ReplyProgress progress, Duration timeout)
      throws InterruptedException {
    var deadline = System.nanoTime() + TimeUnit.NANOSECONDS.convert(timeout);
    var idle = TimeUnit.NANOSECONDS.convert(settings.idleTimeout());
    try {
      while (true) {
        var now = System.nanoTime();
        if (deadline - now <= 0) {
          return new HttpOutcome.Broken(
              LlmErrorCode.TIMEOUT, "no whole reply within " + timeout.toMillis() + " ms");
        }
        var idleLeft = progress.hasBegun() ? progress.lastBytesAt() + idle - now : idle;
        if (idleLeft <= 0) {
          return new HttpOutcome.Broken(
              LlmErrorCode.RESPONSE_STALLED,
              "the reply stood still for " + settings.idleTimeout().toMillis() + " ms");
        }
        try {
          var reply = exchange.get(Math.min(deadline - now, idleLeft), TimeUnit.NANOSECONDS);
          return new HttpOutcome.Reply(
              reply.statusCode(), reply.headers(), reply.body(), clock.instant());
        } catch (TimeoutException expired) {
          // Which of the two times is over is decided above.
        }
      }
    } catch (ExecutionException failure) {
      return NetworkFailure.classify(failure);
    } finally {
      // Closes the connection of a call that is given up; does nothing to one that is complete.
      exchange.cancel(true);
    }
  }

  /// Ends the calls under way. May be called more than once.
  @Override
  public void close() {
    client.shutdownNow();
    threads.shutdownNow();
  }
}
