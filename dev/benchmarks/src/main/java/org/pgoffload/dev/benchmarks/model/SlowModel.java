package org.pgoffload.dev.benchmarks.model;

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
import java.util.regex.Pattern;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

/// A model on 127.0.0.1 that speaks Chat Completions. A call of the model `after-N` is answered
/// after N milliseconds; any other call waits until it is told to answer. Safe to share between
/// threads.
public final class SlowModel implements AutoCloseable {
  /// The name by which requests choose it.
  public static final String PROVIDER = "openai_compatible";

  /// Where requests that ask it are inserted.
  public static final String TABLE = "llm_request (provider, model, prompt)";

  private static final Pattern DELAY = Pattern.compile("\"model\" *: *\"after-([0-9]{1,6})\"");

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
  private volatile CountDownLatch answered = new CountDownLatch(1);

  private SlowModel() throws IOException {
    this.server =
        HttpServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0), 8192);
    server.setExecutor(threads);
    server.createContext("/", this::serve);
    server.start();
  }

  /// Listens on a free port.
  public static SlowModel start() {
    // the server would close all but 200 of the connections that are between two calls, and hold
    // back the last packet of each answer
    System.setProperty("sun.net.httpserver.maxIdleConnections", "20000");
    System.setProperty("sun.net.httpserver.nodelay", "true");
    try {
      return new SlowModel();
    } catch (IOException e) {
      throw new UncheckedIOException("the slow model cannot listen", e);
    }
  }

  /// The variables by which a worker can ask it.
  public Map<String, String> environment() {
    return Map.of("OPENAI_BASE_URL", base(), "OPENAI_MODEL", "slow");
  }

  private String base() {
    return "http://127.0.0.1:" + server.getAddress().getPort() + "/v1";
  }

  /// Where questions are posted to.
  public String address() {
    return base() + "/chat/completions";
  }

  /// A question that is answered after a time.
  public static String question(Duration after) {
    return "{\"model\": \"" + model(after) + "\", \"messages\": []}";
  }

  /// The model whose calls are answered after a time.
  public static String model(Duration after) {
    return "after-" + after.toMillis();
  }

  /// Values of the columns of [#TABLE] but the prompt, for requests that are answered after a time,
  /// as SQL with a comma after each.
  public static String columns(Duration after) {
    return "'" + PROVIDER + "', '" + model(after) + "',";
  }

  /// Waits until so many calls have come since the last look.
  ///
  /// @throws BenchmarkException if they do not come within the time
  public void awaitCalls(int number, Duration patience) throws InterruptedException {
    if (!calls.tryAcquire(number, patience.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new BenchmarkException(
          "of " + number + " calls to the slow model, " + calls.availablePermits() + " came");
    }
  }

  /// Lets the calls that come from now on wait again.
  public void hold() {
    answered = new CountDownLatch(1);
    calls.drainPermits();
  }

  /// Answers every call, also those that come later.
  public void answer() {
    answered.countDown();
  }

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      var question = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      var delay = DELAY.matcher(question);
      if (delay.find()) {
        Thread.sleep(Duration.ofMillis(Long.parseLong(delay.group(1))));
      } else {
        calls.release();
        answered.await();
      }
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
