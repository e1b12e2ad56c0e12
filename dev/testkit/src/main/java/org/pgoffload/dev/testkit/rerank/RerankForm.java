package org.pgoffload.dev.testkit.rerank;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.pgoffload.dev.testkit.http.WireReply;

/// The forms that servers speak, as strict as they are.
enum RerankForm {
  COHERE("/v2/rerank", "documents", Set.of("top_n", "max_tokens_per_doc", "priority"), 1000) {
    @Override
    WireReply.Full ranked(RerankQuestion question, List<Integer> order) {
      var body = object().put("id", RerankStub.REQUEST_ID);
      results(body.putArray("results"), question, order, "relevance_score");
      var meta = body.putObject("meta");
      meta.putObject("api_version").put("version", "2");
      meta.putObject("billed_units").put("search_units", (question.documents().size() + 99) / 100);
      return reply(200, Map.of(), body);
    }

    @Override
    WireReply.Full failed(int status, String words) {
      return reply(status, Map.of(), object().put("message", words));
    }
  },
  /// vLLM's, which knows Cohere's fields, gives the documents back, and counts tokens.
  VLLM("/v1/rerank", "documents", Set.of("top_n", "truncate_prompt_tokens"), 1000) {
    @Override
    WireReply.Full ranked(RerankQuestion question, List<Integer> order) {
      var body =
          object().put("id", RerankStub.REQUEST_ID).put("model", question.model() + "-served");
      body.putObject("usage").put("prompt_tokens", 42).put("total_tokens", 42);
      results(body.putArray("results"), question, order, "relevance_score")
          .forEach(result -> {
            var text = question.documents().get(result.path("index").asInt());
            ((ObjectNode) result).putObject("document").put("text", text).putNull("multi_modal");
          });
      return reply(200, Map.of(), body);
    }

    @Override
    WireReply.Full failed(int status, String words) {
      var body = object();
      body.putObject("error").put("message", words).put("type", "BadRequestError");
      return reply(status, Map.of(), body);
    }
  },
  /// That of text-embeddings-inference: a bare array of all texts.
  TEI("/rerank", "texts", Set.of("truncate", "raw_scores", "return_text"), 32) {
    @Override
    WireReply.Full ranked(RerankQuestion question, List<Integer> order) {
      var list = JsonNodeFactory.instance.arrayNode();
      results(list, question, order, "score");
      return new WireReply.Full(
          200,
          Map.of("Content-Type", "application/json", "x-compute-tokens", "42"),
          list.toString());
    }

    @Override
    WireReply.Full failed(int status, String words) {
      return reply(status, Map.of(), object().put("error", words).put("error_type", "validation"));
    }
  };

  private final String path;
  private final String documents;

  @SuppressWarnings("ImmutableEnumChecker") // Set.of makes no other.
  private final Set<String> optional;

  private final int most;

  RerankForm(String path, String documents, Set<String> optional, int most) {
    this.path = path;
    this.documents = documents;
    this.optional = optional;
    this.most = most;
  }

  static Optional<RerankForm> at(String path) {
    return Arrays.stream(values()).filter(form -> form.path.equals(path)).findFirst();
  }

  /// A question as documented.
  ///
  /// @throws IllegalArgumentException if it is not, in the server's words
  RerankQuestion read(JsonNode body) {
    for (var field : body.properties()) {
      var name = field.getKey();
      if (!optional.contains(name)
          && !name.equals("query")
          && !name.equals(documents)
          && (this == TEI || !name.equals("model"))) {
        throw new IllegalArgumentException("unknown field: parameter '" + name + "'");
      }
    }
    var query = body.path("query").asText();
    if (query.isBlank()) {
      throw new IllegalArgumentException("invalid request: query must not be empty");
    }
    var texts = new ArrayList<String>();
    body.path(documents).forEach(text -> texts.add(text.asText()));
    if (texts.isEmpty() || texts.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException("invalid request: list of documents must not be empty");
    }
    if (texts.size() > most) {
      throw new IllegalArgumentException(
          "batch size " + texts.size() + " > maximum allowed batch size " + most);
    }
    if (this != TEI && body.path("model").asText().isEmpty()) {
      throw new IllegalArgumentException("a model parameter is required for this endpoint");
    }
    var topN = body.path("top_n");
    return new RerankQuestion(
        path,
        this == TEI ? null : body.path("model").asText(),
        query,
        texts,
        topN.isMissingNode() ? null : (Integer) topN.intValue());
  }

  /// The reply with the best documents.
  WireReply.Full ranked(RerankQuestion question) {
    var order =
        IntStream.range(0, question.documents().size())
            .boxed()
            .sorted(
                Comparator.comparingDouble(
                    at -> -RerankStub.score(question.query(), question.documents().get(at))))
            .limit(question.topN() == null || this == TEI ? Long.MAX_VALUE : question.topN())
            .toList();
    return ranked(question, order);
  }

  /// @param order the places of the documents, the best first
  abstract WireReply.Full ranked(RerankQuestion question, List<Integer> order);

  abstract WireReply.Full failed(int status, String words);

  private static ArrayNode results(
      ArrayNode list, RerankQuestion question, List<Integer> order, String score) {
    for (var at : order) {
      list.addObject()
          .put("index", at)
          .put(score, RerankStub.score(question.query(), question.documents().get(at)));
    }
    return list;
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private static WireReply.Full reply(int status, Map<String, String> headers, ObjectNode body) {
    return new WireReply.Full(status, headers, body.toString());
  }
}
