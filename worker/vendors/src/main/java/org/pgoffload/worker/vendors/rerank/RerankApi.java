package org.pgoffload.worker.vendors.rerank;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.RankedDocument;
import org.pgoffload.worker.models.RerankCall;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorReply;

/// The forms of a request to rank documents, and of its reply.
enum RerankApi {
  /// Cohere's (docs.cohere.com/reference/rerank), which Jina, vLLM, llama.cpp, LiteLLM and most
  /// others have too; Voyage calls the results `data`. Cohere advises against more documents.
  COHERE(1000) {
    @Override
    ObjectNode question(RerankCall call, String model) {
      var question = Json.object().put("model", model).put("query", call.query());
      call.documents().forEach(question.putArray("documents")::add);
      return question.put("top_n", call.most());
    }

    // What the vendor bills by, where it tells that: Cohere's are searches of up to a hundred
    // documents.
    @Override
    long counted(VendorReply reply) {
      var body = reply.body();
      var billed = body.path("meta").path("billed_units");
      var usage = body.path("usage");
      return Stream.of(
              billed.path("search_units"),
              usage.path("search_units"),
              usage.path("prompt_tokens"),
              usage.path("total_tokens"),
              body.path("meta").path("tokens").path("input_tokens"),
              billed.path("input_tokens"),
              billed.path("total_tokens"))
          .mapToLong(Json::count)
          .filter(count -> count > 0)
          .findFirst()
          .orElse(0);
    }
  },

  /// That of Hugging Face's text-embeddings-inference, which has no other: it serves one model,
  /// sorts all documents, and answers with a bare array. It refuses more texts unless it is started
  /// with `--max-client-batch-size`.
  TEI(32) {
    @Override
    ObjectNode question(RerankCall call, String model) {
      var question = Json.object().put("query", call.query());
      call.documents().forEach(question.putArray("texts")::add);
      return question;
    }

    @Override
    long counted(VendorReply reply) {
      return Json.count(
          TextNode.valueOf(reply.headers().firstValue("x-compute-tokens").orElse("0")));
    }
  };

  private final int mostDocuments;

  RerankApi(int mostDocuments) {
    this.mostDocuments = mostDocuments;
  }

  /// The form of this word.
  static Optional<RerankApi> of(String word) {
    return Arrays.stream(values()).filter(api -> api.word().equals(word)).findFirst();
  }

  static String words() {
    return Arrays.stream(values()).map(RerankApi::word).collect(Collectors.joining(" or "));
  }

  private String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /// How many documents a server takes that is set to nothing else.
  int mostDocuments() {
    return mostDocuments;
  }

  /// The query and the documents.
  abstract ObjectNode question(RerankCall call, String model);

  /// The tokens of a reply, or what the vendor bills in their place; 0 where it tells nothing.
  abstract long counted(VendorReply reply);

  /// Reads a reply of status 200 that tells of no failure.
  LlmOutcome answer(VendorReply reply, RerankCall call) {
    var usage = new Usage(counted(reply), 0, 0, 0);
    var body = reply.body();
    var ranks = new ArrayList<RankedDocument>();
    for (var result : body.has("results") ? body.path("results") : body.path("data")) {
      var index = result.path("index");
      var score = score(result);
      if (!index.isInt() || index.intValue() < 0 || !Double.isFinite(score)) {
        return reply.malformed("the reply has a rank that cannot be read", usage);
      }
      ranks.add(new RankedDocument(index.intValue(), score));
    }
    return reply.reranked(ranks, call.documents().size(), call.most(), usage);
  }

  /// NaN where there is none.
  private static double score(JsonNode result) {
    var score =
        result.has("relevance_score") ? result.path("relevance_score") : result.path("score");
    return score.isNumber() ? score.doubleValue() : Double.NaN;
  }
}
