package org.pgoffload.worker.vendors.entra;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;
import org.pgoffload.dev.testkit.vendors.VendorStub;

/// The token endpoint of Entra ID over HTTPS on this machine
/// (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow). It gives
/// [VendorStub#TOKEN] to who asks for it as documented. Safe for any number of clients.
public final class TokenEndpoint implements AutoCloseable {
  public static final String TENANT = "11111111-2222-3333-4444-555555555555";

  /// What happens to a question.
  sealed interface Reply {
    /// A token that lasts so many seconds.
    record Token(int seconds) implements Reply {}

    /// Any other answer.
    record Answer(int status, String body) implements Reply {}

    /// None, until the endpoint is closed.
    record Silence() implements Reply {}
  }

  private final HttpsServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Queue<Map<String, String>> questions = new ConcurrentLinkedQueue<>();
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile Reply reply = new Reply.Token(3_600);

  public TokenEndpoint(SSLContext tls) throws IOException {
    server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 200);
    server.setHttpsConfigurator(new HttpsConfigurator(tls));
    server.setExecutor(threads);
    server.createContext("/", this::serve);
    server.start();
  }

  /// For `AZURE_AUTHORITY_HOST`.
  public URI url() {
    return URI.create("https://localhost:" + server.getAddress().getPort());
  }

  /// From now on.
  void replies(Reply newReply) {
    reply = newReply;
  }

  /// The form fields of the questions so far, the path with them as `path`.
  List<Map<String, String>> questions() {
    return List.copyOf(questions);
  }

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      var form = form(new String(exchange.getRequestBody().readAllBytes(), UTF_8));
      form.put("path", exchange.getRequestURI().getPath());
      questions.add(form);
      switch (reply) {
        case Reply.Token(var seconds) ->
            answer(
                exchange,
                200,
                """
                {"token_type":"Bearer","expires_in":%d,"ext_expires_in":%d,"access_token":"%s"}\
                """
                    .formatted(seconds, seconds, VendorStub.TOKEN));
        case Reply.Answer(var status, var body) -> answer(exchange, status, body);
        case Reply.Silence() -> closed.await();
      }
    } catch (InterruptedException over) {
      // The test is over.
    }
  }

  private static void answer(HttpExchange exchange, int status, String body) throws IOException {
    var bytes = body.getBytes(UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private static Map<String, String> form(String body) {
    var form = new TreeMap<String, String>();
    for (var field : body.split("&", -1)) {
      var at = field.indexOf('=');
      if (at > 0) {
        form.put(field.substring(0, at), URLDecoder.decode(field.substring(at + 1), UTF_8));
      }
    }
    return form;
  }

  @Override
  public void close() {
    closed.countDown();
    server.stop(0);
    threads.shutdownNow();
  }
}
