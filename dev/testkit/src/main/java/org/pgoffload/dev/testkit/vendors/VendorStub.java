package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ServerSocketFactory;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.http.WireReply.Ending;

/// OpenAI, Azure OpenAI, Anthropic, Gemini, Mistral, Ollama and a compatible server at one address
/// of this machine.
///
/// A client with [#KEY] that asks as the vendor documents gets `stub answer to: …`, JSON that meets
/// its schema ([MeetSchema]), or texts embedded as [#vector]. A wrong key is a 401, the model
/// `unknown-model` a 404, a deviation a 400, another path a 404. [#next] scripts other replies.
/// Safe for any number of clients.
///
/// Longer than 300 lines because its public methods are all that tests may script and ask.
public final class VendorStub implements AutoCloseable {
  /// The only right key.
  public static final String KEY = "sk-stub-0123456789abcdef";

  /// The only right token of Entra ID, for Azure OpenAI in the place of the key.
  public static final String TOKEN = "eyJ0eXAi.stub-9876543210fedcba.token";

  /// The model that no vendor has.
  public static final String UNKNOWN_MODEL = "unknown-model";

  /// The id that every vendor reports for every call.
  public static final String REQUEST_ID = "req_stub_1";

  /// Thousands may connect at once; who finds no place tries again after a second.
  private static final int BACKLOG = 4096;

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final StubReply.Failure WRONG_KEY =
      new StubReply.Failure(StubReply.Kind.WRONG_KEY, Map.of());
  private static final StubReply REJECTED =
      new StubReply.Failure(StubReply.Kind.RATE_LIMITED, Map.of("Retry-After", "1"));
  private static final List<Dialect> DIALECTS =
      List.of(
          new ResponsesDialect(false),
          new ResponsesDialect(true),
          new ChatCompletionsDialect(),
          new MessagesDialect(),
          new GeminiDialect(),
          new MistralDialect(),
          new OllamaDialect(),
          new EmbeddingsDialect("/v1/embeddings", new ChatCompletionsDialect()),
          new EmbeddingsDialect("/openai/v1/embeddings", new ResponsesDialect(true)));

  private final ServerSocket server;
  private final String scheme;
  private final Queue<StubReply> script = new ConcurrentLinkedQueue<>();
  private final Queue<StubQuestion> questions = new ConcurrentLinkedQueue<>();
  private final Set<Socket> connections = ConcurrentHashMap.newKeySet();
  private final AtomicInteger accepted = new AtomicInteger();
  private final Semaphore asked = new Semaphore(0);
  private final Semaphore disconnected = new Semaphore(0);
  private volatile @Nullable StubLimits told;
  private volatile @Nullable TokenBucket bucket;
  private volatile @Nullable String query;
  private volatile Function<StubQuestion, StubReply> otherwise = StubReply::to;

  private VendorStub(ServerSocketFactory sockets, String scheme) throws IOException {
    this.server = sockets.createServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress());
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

  /// The address, for `AZURE_OPENAI_ENDPOINT`, `ANTHROPIC_BASE_URL` and `OLLAMA_BASE_URL`; with
  /// `/v1` behind it for `OPENAI_BASE_URL`, `/v1beta` for `GEMINI_BASE_URL`, `/mistral/v1` for
  /// `MISTRAL_BASE_URL`.
  public URI url() {
    return URI.create(scheme + "://localhost:" + server.getLocalPort());
  }

  /// Scripts the replies to the next questions with the key, one reply each.
  public void next(StubReply... replies) {
    script.addAll(List.of(replies));
  }

  /// Sets the reply to all questions without a scripted one.
  public void otherwise(Function<StubQuestion, StubReply> reply) {
    otherwise = reply;
  }

  /// Sets the limits that every reply tells from now on, in the vendor's way.
  public void tell(StubLimits limits) {
    told = limits;
  }

  /// Serves only what has this query, alone or behind the vendor's own, as some gateways do.
  public void wantQuery(String wanted) {
    query = wanted;
  }

  /// Lets so many questions through in each second from now on. The others are refused with 429 and
  /// `Retry-After`; every reply tells the rest of the limit.
  public void limit(int perSecond) {
    bucket = new TokenBucket(perSecond);
  }

  /// How many questions came, and were refused, since the limit was set.
  ///
  /// @param after counts only the questions that came so long after the first, or later
  public Served served(Duration after) {
    var limited = bucket;
    return limited == null ? new Served(0, 0) : limited.served(after);
  }

  /// The fate of questions under a limit.
  ///
  /// @param calls all questions
  /// @param rejected those that were refused with 429
  public record Served(int calls, int rejected) {}

  /// The vector of a text, which is always the same; without dimensions it has 8.
  public static List<Float> vector(String text, @Nullable Integer dimensions) {
    var random = new Random(text.hashCode());
    return Stream.generate(() -> random.nextFloat() * 2 - 1)
        .limit(dimensions == null ? 8 : dimensions)
        .toList();
  }

  static List<List<Float>> vectors(StubQuestion question) {
    return question.inputs().stream()
        .map(input -> vector(input, question.options().dimensions()))
        .toList();
  }

  /// An object that the stub has written itself.
  static ObjectNode json(String text) {
    try {
      return (ObjectNode) JSON.readTree(text);
    } catch (JsonProcessingException impossible) {
      throw new IllegalArgumentException(impossible);
    }
  }

  /// The questions so far that were asked as documented and with the key, in the order of their
  /// arrival.
  public List<StubQuestion> questions() {
    return List.copyOf(questions);
  }

  /// How many connections there were.
  public int connections() {
    return accepted.get();
  }

  /// The answer of the vendor at this path in one piece, for a client that asked for a stream.
  public WireReply inOnePiece(String path, String text) {
    var question =
        new StubQuestion(path, "model-1", null, List.of("user: Why?"), StubOptions.NONE, false);
    return Objects.requireNonNull(dialect(path))
        .render(new StubReply.Answer(text, StubReply.Tokens.DEFAULT), question);
  }

  /// The answer of the vendor at this path as the text of all its events.
  public String asEvents(String path, String text) {
    var question =
        new StubQuestion(path, "model-1", null, List.of("user: Why?"), StubOptions.NONE, true);
    return String.join("", events(text, Objects.requireNonNull(dialect(path)), question).all());
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
        accepted.incrementAndGet();
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

  private WireReply reply(Connection.Request asked) {
    var request = withoutQuery(asked);
    var dialect = dialect(request.path());
    if (dialect == null && request.path().contains("/v1beta/")) {
      // the gateway in front of the API answers
      return new WireReply.Full(
          404, Map.of("Content-Type", "text/html"), "<title>Not Found</title>");
    }
    if (dialect == null) {
      var path = "(" + request.method() + " " + request.path() + ")";
      return OpenAiErrors.error(404, "Invalid URL " + path, "invalid_request_error", "", Map.of());
    }
    try {
      var question = read(request, dialect);
      if (!dialect.knows(request.headers())) {
        return dialect.render(WRONG_KEY, question);
      }
      questions.add(question);
      var limited = bucket;
      if (limited != null) {
        var granted = limited.take();
        var reply = granted ? scripted(question) : REJECTED;
        return told(write(reply, dialect, question), dialect.limits(limited.told()));
      }
      var limits = told;
      var reply = write(scripted(question), dialect, question);
      return limits == null ? reply : told(reply, dialect.limits(limits));
    } catch (Violation violation) {
      return dialect.violated(violation);
    }
  }

  /// A request without the query that is wanted is one of another path.
  private Connection.Request withoutQuery(Connection.Request asked) {
    var wanted = query;
    if (wanted == null) {
      return asked;
    }
    var path = asked.path().replaceFirst("[?&]" + Pattern.quote(wanted) + "$", "");
    return new Connection.Request(
        asked.method(),
        path.equals(asked.path()) ? "/without-query" : path,
        asked.headers(),
        asked.body());
  }

  private StubReply scripted(StubQuestion question) {
    var scripted = script.poll();
    return scripted == null ? unscripted(question) : scripted;
  }

  private static WireReply write(StubReply reply, Dialect dialect, StubQuestion question) {
    return switch (reply) {
      case StubReply.Misbehaviour(var wire) -> wire;
      case StubReply.InForm inForm -> inForm(inForm, dialect, question);
      case StubReply.Changed(var inForm, var change) ->
          switch (inForm(inForm, dialect, question)) {
            case WireReply.Full(var status, var headers, var body) ->
                new WireReply.Full(status, headers, change.apply(body));
            case WireReply.Stream(var headers, var begin, var ending, var bytes) ->
                new WireReply.Stream(headers, begin.stream().map(change).toList(), ending, bytes);
            case WireReply other -> other;
          };
      case StubReply.Compressed(var inForm, var coding) ->
          new WireReply.Encoded(inForm(inForm, dialect, question), coding);
      case StubReply.TornStream(var text, var bytes) -> {
        var events = events(text, dialect, question);
        yield stream(events, events.all(), Ending.WHOLE, bytes);
      }
      case StubReply.MixedStream(var text, var other) -> {
        var events = events(text, dialect, question);
        var mixed = new ArrayList<String>();
        for (var event : events.all()) {
          mixed.add(event);
          mixed.add(other);
        }
        yield stream(events, mixed, Ending.WHOLE, 0);
      }
      case StubReply.Mislabelled(var text, var contentType) -> {
        var events = events(text, dialect, question);
        var headers = new HashMap<>(events.headers());
        headers.put("Content-Type", contentType);
        yield new WireReply.Stream(headers, events.all(), Ending.WHOLE, 0);
      }
      case StubReply.BadStream(var text, var fault) ->
          bad(events(text, dialect, question), fault, dialect);
    };
  }

  private static WireReply inForm(StubReply.InForm reply, Dialect dialect, StubQuestion question) {
    if (!question.stream()) {
      return dialect.render(reply, question);
    }
    return switch (dialect.stream(reply, question)) {
      case Dialect.Events.None(var whole) -> whole;
      case Dialect.Events.Some events -> stream(events, events.all(), Ending.WHOLE, 0);
    };
  }

  private static WireReply bad(Dialect.Events.Some events, StubReply.Fault fault, Dialect dialect) {
    var more = new ArrayList<>(events.words());
    return switch (fault) {
      case CUT -> stream(events, more, Ending.CUT, 0);
      case UNFINISHED -> stream(events, more, Ending.WHOLE, 0);
      case STALLED -> stream(events, more, Ending.STALLED, 0);
      case ENDLESS -> stream(events, more, Ending.REPEATED, 0);
      case KEPT_ALIVE -> {
        more.add(events.keepAlive());
        yield stream(events, more, Ending.REPEATED_SLOWLY, 0);
      }
      case UNCLOSED -> {
        more.addAll(events.rest());
        more.add(more.removeLast().stripTrailing());
        yield stream(events, more, Ending.WHOLE, 0);
      }
      case TORN -> {
        var next = events.rest().getFirst();
        more.add(next.substring(0, next.length() / 2));
        yield stream(events, more, Ending.WHOLE, 0);
      }
      case GARBAGE -> {
        more.add("data: {\"private\": tru\n\n");
        more.addAll(events.rest());
        yield stream(events, more, Ending.WHOLE, 0);
      }
      case ERROR -> {
        more.add(dialect.errorEvent());
        yield stream(events, more, Ending.WHOLE, 0);
      }
    };
  }

  private static Dialect.Events.Some events(String text, Dialect dialect, StubQuestion question) {
    if (question.stream()
        && dialect.stream(new StubReply.Answer(text, StubReply.Tokens.DEFAULT), question)
            instanceof Dialect.Events.Some events) {
      return events;
    }
    throw new IllegalArgumentException("no stream was asked for: " + question);
  }

  private static WireReply stream(
      Dialect.Events.Some events, List<String> sent, Ending ending, int bytes) {
    var headers = new HashMap<>(events.headers());
    headers.put("Content-Type", events.contentType());
    return new WireReply.Stream(headers, sent, ending, bytes);
  }

  /// The same reply with these headers besides.
  private static WireReply told(WireReply reply, Map<String, String> limits) {
    return switch (reply) {
      case WireReply.Full(var status, var headers, var body) ->
          new WireReply.Full(status, both(headers, limits), body);
      case WireReply.Stream(var headers, var begin, var ending, var bytes) ->
          new WireReply.Stream(both(headers, limits), begin, ending, bytes);
      case WireReply misbehaviour -> misbehaviour;
    };
  }

  private static Map<String, String> both(Map<String, String> some, Map<String, String> others) {
    var both = new HashMap<>(some);
    both.putAll(others);
    return both;
  }

  private static StubQuestion read(Connection.Request request, Dialect dialect) throws Violation {
    if (!request.method().equals("POST")) {
      throw new Violation("Method Not Allowed");
    }
    if (!"application/json".equals(request.headers().get("content-type"))) {
      throw new Violation("Content-Type must be application/json");
    }
    try {
      return dialect.read(request, new Body(JSON.readTree(request.body())));
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
    return DIALECTS.stream().filter(d -> d.serves(path)).findFirst().orElse(null);
  }
}
