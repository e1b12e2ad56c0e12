package org.pgoffload.dev.testkit.rerank;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;

/// Servers that rank documents, at one address of this machine: Cohere at `/v2/rerank`, vLLM at
/// `/v1/rerank`, text-embeddings-inference at `/rerank`.
///
/// A client with [#KEY] that asks as the server documents gets every document's [#score]. A wrong
/// key is a 401, a deviation a 400, another path a 404. [#next] scripts other replies. Safe for any
/// number of clients.
public final class RerankStub implements AutoCloseable {
  /// The only right key.
  public static final String KEY = "rk-stub-0123456789abcdef";

  /// The id that the bodies of replies bear, where they have one.
  public static final String REQUEST_ID = "rerank-stub-1";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final ServerSocket server;
  private final Queue<WireReply> script = new ConcurrentLinkedQueue<>();
  private final Queue<RerankQuestion> questions = new ConcurrentLinkedQueue<>();
  private final Set<Socket> connections = ConcurrentHashMap.newKeySet();

  private RerankStub() throws IOException {
    this.server = new ServerSocket(0, 1000, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().name("rerank-stub").start(this::accept);
  }

  /// A stub on a free port.
  public static RerankStub start() {
    try {
      return new RerankStub();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /// Its address with this path.
  public String at(String path) {
    return "http://localhost:" + server.getLocalPort() + path;
  }

  /// Scripts the replies to the next questions that are as documented, one reply each.
  public void next(WireReply... replies) {
    script.addAll(List.of(replies));
  }

  /// The questions so far that were as documented, in the order of their arrival.
  public List<RerankQuestion> questions() {
    return List.copyOf(questions);
  }

  /// The share of the query's words that a document has.
  public static double score(String query, String document) {
    var wanted = new HashSet<>(Arrays.asList(query.split("\\W+")));
    var has = new HashSet<>(Arrays.asList(document.split("\\W+")));
    return (double) wanted.stream().filter(has::contains).count() / wanted.size();
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        var socket = server.accept();
        connections.add(socket);
        Thread.ofVirtual().name("rerank-stub-connection").start(() -> serve(socket));
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
        open = connection.write(reply(request), () -> {});
      }
    } catch (IOException gone) {
      // The client went away, as some tests make it do.
    } finally {
      connections.remove(socket);
    }
  }

  private WireReply reply(Connection.Request request) {
    var found = RerankForm.at(request.path());
    if (found.isEmpty()) {
      return new WireReply.Full(404, Map.of(), "{\"detail\":\"Not Found\"}");
    }
    var form = found.get();
    if (!("Bearer " + KEY).equals(request.headers().get("authorization"))) {
      return form.failed(401, "invalid api token");
    }
    try {
      var question = form.read(JSON.readTree(request.body()));
      questions.add(question);
      var scripted = script.poll();
      return scripted == null ? form.ranked(question) : scripted;
    } catch (JsonProcessingException | IllegalArgumentException wrong) {
      return form.failed(form == RerankForm.TEI ? 422 : 400, String.valueOf(wrong.getMessage()));
    }
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
}
