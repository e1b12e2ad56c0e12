package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.vendors.StubReply.Tokens;

/// The embeddings of OpenAI, of Azure's v1 path and of compatible servers. The vectors come in
/// another order than the texts.
record EmbeddingsDialect(String path, Dialect vendor) implements Dialect {

  @Override
  public boolean serves(String asked) {
    return asked.equals(path);
  }

  @Override
  public boolean knows(Map<String, String> headers) {
    return vendor.knows(headers);
  }

  @Override
  public StubQuestion read(Connection.Request request, Body body) throws Violation {
    body.allowOnly(Set.of("model", "input", "dimensions", "encoding_format"));
    body.oneOf("encoding_format", Set.of("base64", "float"));
    var inputs = body.texts("input", 2048);
    if (inputs.isEmpty()) {
      throw new Violation("Missing required parameter: 'input'.");
    }
    return StubQuestion.texts(
        request.path(),
        body.requiredText("model"),
        inputs,
        StubOptions.vectors(
            body.positiveInteger("dimensions"), "base64".equals(body.text("encoding_format"))));
  }

  @Override
  public WireReply.Full render(StubReply.InForm reply, StubQuestion question) {
    return switch (reply) {
      case StubReply.Answer(_, var tokens) ->
          vectors(VendorStub.vectors(question), question, tokens);
      case StubReply.Vectors(var vectors) -> vectors(vectors, question, Tokens.DEFAULT);
      case StubReply.Failure failure -> vendor.render(failure, question);
      case StubReply.FilteredPrompt filtered -> vendor.render(filtered, question);
      case StubReply.InForm answer -> throw new IllegalArgumentException("no vectors: " + answer);
    };
  }

  private static WireReply.Full vectors(
      List<List<Float>> vectors, StubQuestion question, Tokens tokens) {
    var body =
        Dialect.object().put("object", "list").put("model", question.model() + "-2026-11-01");
    var data = body.putArray("data");
    for (var index = vectors.size() - 1; index >= 0; index--) {
      var item = data.addObject().put("object", "embedding").put("index", index);
      if (question.options().compact()) {
        item.put("embedding", base64(vectors.get(index)));
      } else {
        vectors.get(index).forEach(item.putArray("embedding")::add);
      }
    }
    body.putObject("usage")
        .put("prompt_tokens", tokens.input())
        .put("total_tokens", tokens.input());
    return Dialect.reply(200, Map.of("x-request-id", VendorStub.REQUEST_ID), body);
  }

  private static String base64(List<Float> vector) {
    var bytes = ByteBuffer.allocate(vector.size() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    vector.forEach(bytes::putFloat);
    return Base64.getEncoder().encodeToString(bytes.array());
  }

  @Override
  public Events stream(StubReply.InForm reply, StubQuestion question) {
    return new Events.None(render(reply, question));
  }

  @Override
  public Events.Some events(ObjectNode whole, StubQuestion question) {
    throw new IllegalStateException("embeddings are not streamed");
  }

  @Override
  public String errorEvent() {
    throw new IllegalStateException("embeddings are not streamed");
  }

  @Override
  public WireReply.Full violated(Violation violation) {
    return vendor.violated(violation);
  }

  @Override
  public Map<String, String> limits(StubLimits limits) {
    return vendor.limits(limits);
  }
}
