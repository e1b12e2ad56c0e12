package org.pgoffload.worker.llm.stub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import javax.net.ServerSocketFactory;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/// OpenAI, Azure OpenAI, Anthropic and a compatible server at one address of this machine.
///
/// It answers `stub answer to: …` to whoever brings [#KEY] and asks as the vendor documents; a
/// wrong key is a 401, the model `unknown-model` a 404, a deviation a 400, another path a 404.
/// [#next] scripts what happens instead. Safe for any number of clients.
public final class VendorStub implements AutoCloseable {
  /// The one key that is right.
  public static final String KEY = "sk-stub-0123456789abcdef";

  /// The model that no vendor has.
  public static final String UNKNOWN_MODEL = "unknown-model";

  /// The id that every vendor reports for every call.
  public static final String REQUEST_ID = "req_stub_1";

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<Dialect> DIALECTS =
      List.of(
          new ResponsesDialect(false),
          new ResponsesDialect(true),
          new ChatCompletionsDialect(),
          new MessagesDialect());

  private final ServerSocket server;
  private final String scheme;
  private final Queue<StubReply> script = new ConcurrentLinkedQueue<>();
  private final Queue<StubQuestion> questions = new ConcurrentLinkedQueue<>();
  private final Set<Socket> connections = ConcurrentHashMap.newKeySet();
  private final Semaphore asked = new Semaphore(0);
  private final Semaphore disconnected = new Semaphore(0);
  private volatile Function<StubQuestion, StubReply> otherwise =
      question -> StubReply.answer("stub answer to: " + question.lastText());

  private VendorStub(ServerSocketFactory sockets, String scheme) throws IOException {
    this.server = sockets.createServerSocket(0, 200, InetAddress.getLoopbackAddress());
    this.scheme = scheme;
    Thread.ofVirtual().name("vendor-stub").start(this::accept);
  }

  /// A stub on a free port.
  public static VendorStub start() {
    return start(ServerSocketFactory.getDefault(), "http");
  }

  /// A stub on a free port that shows the certificate of this context.
  public static VendorStub startWithTls(SSLContext tls) {
    return start(tls.getServerSocketFactory(), "https");
  }

  private static VendorStub start(ServerSocketFactory sockets, String scheme) {
    try {
      return new VendorStub(sockets, scheme);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /// The address, for `AZURE_OPENAI_ENDPOINT` and `ANTHROPIC_BASE_URL`; with `/v1` behind it for
  /// `OPENAI_BASE_URL`.
  public URI url() {
    return URI.create(scheme + "://localhost:" + server.getLocalPort());
  }

  /// What happens to the next questions that bring the key, one reply each, whatever they ask.
  public void next(StubReply... replies) {
    script.addAll(List.of(replies));
  }

  /// What happens to the questions that nothing is scripted for.
  public void otherwise(Function<StubQuestion, StubReply> reply) {
    otherwise = reply;
  }

  /// The questions so far that were asked as documented and with the key, in the order of their
  /// arrival.
  public List<StubQuestion> questions() {
    return List.copyOf(questions);
  }

  /// Waits for one more question, documented or not.
  public boolean awaitQuestion(long seconds) throws InterruptedException {
    return asked.tryAcquire(seconds, TimeUnit.SECONDS);
  }

  /// Waits for one more client to leave a stalled reply.
  public boolean awaitDisconnect(long seconds) throws InterruptedException {
    return disconnected.tryAcquire(seconds, TimeUnit.SECONDS);
  }

  @Override
  public void close() {
    try {
      server.close();
      for (var connection : connections) {
        connection.close();
      }
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        var socket = server.accept();
        connections.add(socket);
        Thread.ofVirtual().name("vendor-stub-connection").start(() -> serve(socket));
      } catch (IOException closed) {
        // The loop's condition knows.
      }
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      var connection = new Connection(socket);
      var open = true;
      while (open) {
        var request = connection.read();
        if (request == null) {
          return;
        }
        var reply = reply(request);
        asked.release();
        open = connection.write(reply, disconnected::release);
      }
    } catch (IOException gone) {
      // The client went away, as some tests make it do.
    } finally {
      connections.remove(socket);
    }
  }

  private WireReply reply(Connection.Request request) {
    var dialect = dialect(request.path());
    if (dialect == null) {
      var path = "(" + request.method() + " " + request.path() + ")";
      return OpenAiErrors.error(404, "Invalid URL " + path, "invalid_request_error", "", Map.of());
    }
    try {
      var question = read(request, dialect);
      if (!dialect.knows(request.headers())) {
        return dialect.render(StubReply.failure(StubReply.Kind.WRONG_KEY), question);
      }
      questions.add(question);
      var scripted = script.poll();
      return switch (scripted == null ? unscripted(question) : scripted) {
        case StubReply.Misbehaviour(var wire) -> wire;
        case StubReply inForm -> dialect.render(inForm, question);
      };
    } catch (Violation violation) {
      return dialect.violated(violation);
    }
  }

  private static StubQuestion read(Connection.Request request, Dialect dialect) throws Violation {
    if (!request.method().equals("POST")) {
      throw new Violation("Method Not Allowed");
    }
    if (!"application/json".equals(request.headers().get("content-type"))) {
      throw new Violation("Content-Type must be application/json");
    }
    try {
      return dialect.read(request.headers(), new Body(JSON.readTree(request.body())));
    } catch (JsonProcessingException notJson) {
      throw new Violation("We could not parse the JSON body of your request.");
    }
  }

  private StubReply unscripted(StubQuestion question) {
    return question.model().equals(UNKNOWN_MODEL)
        ? StubReply.failure(StubReply.Kind.UNKNOWN_MODEL)
        : otherwise.apply(question);
  }

  private static @Nullable Dialect dialect(String path) {
    return DIALECTS.stream().filter(d -> d.path().equals(path)).findFirst().orElse(null);
  }
}
