package org.pgoffload.dev.benchmarks;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// A model on 127.0.0.1 that speaks Chat Completions and lets every call wait until it is told to
/// answer. Safe to share between threads.
public final class SlowModel implements AutoCloseable {
  /// The name by which requests choose it.
  static final String PROVIDER = "openai_compatible";

  private static final byte[] ANSWER =
      """
      {"id": "slow", "object": "chat.completion", "created": 1790000000, "model": "slow",
       "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "late"}}],
       "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
      """
          .getBytes(StandardCharsets.UTF_8);

  private final HttpServer server;
  private final ExecutorService threads =
      Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("bench-slow-model-", 0).factory());
  private final Semaphore calls = new Semaphore(0);
  private final CountDownLatch answered = new CountDownLatch(1);

  private SlowModel() throws IOException {
    this.server =
        HttpServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0), 1024);
    server.setExecutor(threads);
    server.createContext("/", this::serve);
    server.start();
  }

  /// Listens on a free port.
  public static SlowModel start() {
    try {
      return new SlowModel();
    } catch (IOException e) {
      throw new UncheckedIOException("the slow model cannot listen", e);
    }
  }

  /// The variables by which a worker can ask it.
  public Map<String, String> environment() {
    return Map.of(
        "OPENAI_BASE_URL",
        "http://127.0.0.1:" + server.getAddress().getPort() + "/v1",
        "OPENAI_MODEL",
        "slow");
  }

  /// Waits until so many calls have come since the last look.
  ///
  /// @throws BenchmarkException if they do not come within the time
  void awaitCalls(int number, Duration patience) throws InterruptedException {
    if (!calls.tryAcquire(number, patience.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new BenchmarkException(
          "of " + number + " calls to the slow model, " + calls.availablePermits() + " came");
    }
  }

  /// Answers every call, also those that come later.
  void answer() {
    answered.countDown();
  }

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      exchange.getRequestBody().readAllBytes();
      calls.release();
      answered.await();
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.sendResponseHeaders(200, ANSWER.length);
      exchange.getResponseBody().write(ANSWER);
    } catch (InterruptedException e) {
      // closed
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
