package org.pgoffload.worker.llm.questions;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.NumericNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MaintainedRequest;
import org.pgoffload.protocol.MaintainedRequest.Chunking;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.worker.llm.calls.MatchSchema;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.Part;
import org.pgoffload.worker.models.RerankCall;
import org.pgoffload.worker.models.Turn;

/// What an LLM request asks for, as its envelope says.
///
/// Longer than 300 lines because every kind of question is read here, and told from others alike.
public sealed interface Question {
  /// The name of the provider that is to be asked, or null for the worker's own choice.
  @Nullable String provider();

  /// The model that is to be asked, or null for the provider's default.
  @Nullable String model();

  /// How old an earlier answer may be that is taken instead of a call, as an interval's text; null
  /// for none.
  @Nullable String cache();

  /// What makes two questions to one model the same.
  JsonNode identity();

  /// A question to be answered in words.
  ///
  /// @param call to no model yet, and without its time
  /// @param schema what the answer has to match, or null
  record Ask(
      @Nullable String provider,
      @Nullable String cache,
      LlmCall call,
      @Nullable MatchSchema schema,
      JsonNode identity)
      implements Question {
    @Override
    public @Nullable String model() {
      return call.model();
    }

    /// Whether the answer is wanted piece by piece.
    public boolean streams() {
      return call.stream();
    }

    @Override
    public String toString() {
      return "Ask[" + call + "]";
    }
  }

  /// Texts to be embedded.
  ///
  /// @param chunking how the one text is split before; null if it is not
  record Embed(
      @Nullable String provider,
      @Nullable String model,
      @Nullable String cache,
      List<String> inputs,
      @Nullable Integer dimensions,
      @Nullable Chunking chunking,
      JsonNode identity)
      implements Question {
    @Override
    public String toString() {
      return "Embed[" + inputs.size() + " inputs]";
    }
  }

  /// Documents to be ranked by how much they help to answer a query.
  ///
  /// @param call to no model yet, and without its time
  record Rerank(
      @Nullable String provider, @Nullable String cache, RerankCall call, JsonNode identity)
      implements Question {
    @Override
    public @Nullable String model() {
      return call.model();
    }

    @Override
    public String toString() {
      return "Rerank[" + call + "]";
    }
  }

  ObjectMapper MAPPER =
      JsonMapper.builder(
              // by default each virtual thread keeps its buffers, also while it waits for a vendor
              JsonFactory.builder().recyclerPool(JsonRecyclerPools.sharedBoundedPool()).build())
          .enable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
          .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .build();

  /// Reads an envelope of a kind that language models answer.
  ///
  /// @throws IllegalArgumentException if it asks for what cannot be asked, with what is wrong
  /// @throws InterruptedException if the thread is interrupted while a schema waits to be checked
  static Question of(Envelope envelope, RequestKind kind) throws InterruptedException {
    var payload = envelope.payload();
    return switch (kind) {
      case ASK -> ask(envelope, payload);
      case EMBED -> embed(payload);
      case RERANK -> rerank(payload);
      case SQL, CANCEL, PROGRESS ->
          throw new IllegalArgumentException("a request of kind " + kind + " is no question");
    };
  }

  /// The same for every question that has the same answer: over the model that is asked and every
  /// parameter.
  default byte[] cacheKey(ModelTarget target) {
    try {
      var parameters = new TreeMap<String, Object>();
      parameters.put("target", target.toString());
      // a tree does not sort its fields when it is written: plain maps do
      parameters.put("question", MAPPER.treeToValue(identity(), Object.class));
      return MessageDigest.getInstance("SHA-256").digest(MAPPER.writeValueAsBytes(parameters));
    } catch (JsonProcessingException | NoSuchAlgorithmException e) {
      throw new IllegalStateException("every question can be written and hashed", e);
    }
  }

  private static Ask ask(Envelope envelope, JsonNode payload) throws InterruptedException {
    var turns = new ArrayList<Turn>();
    for (var message : payload.path("messages")) {
      turns.add(turn(message.path("role").asText(), message.path("content")));
    }
    var prompt = text(payload, "prompt");
    if (prompt != null) {
      turns.add(Turn.user(prompt));
    }
    var options = payload.path("options");
    var schema = payload.get("response_schema");
    if (schema != null && schema.isNull()) {
      schema = null;
    }
    var call =
        new LlmCall(
            envelope.id(),
            text(payload, "model"),
            text(payload, "system"),
            turns,
            new LlmOptions(
                options.hasNonNull("temperature") ? options.get("temperature").asDouble() : null,
                integer(options, "max_output_tokens"),
                texts(options.path("stop")),
                text(options, "reasoning_effort"),
                schema),
            options.path("stream").asBoolean(),
            // each call is given the time that is left
            Duration.ofMillis(1));
    return new Ask(
        text(payload, "provider"),
        text(options, "cache"),
        call,
        schema == null ? null : MatchSchema.of(schema),
        identity(payload, "prompt", "system", "messages", "response_schema"));
  }

  private static Turn turn(String role, JsonNode content) {
    if (role.equals("assistant")) {
      return Turn.assistant(content.asText());
    }
    return content.isArray()
        ? new Turn(Turn.Role.USER, content.valueStream().map(Question::part).toList())
        : Turn.user(content.asText());
  }

  private static Part part(JsonNode part) {
    var type = part.path("type").asText();
    return switch (type) {
      case "text" -> new Part.Text(part.path("text").asText());
      case "image" ->
          part.has("data")
              ? new Part.InlineImage(part.path("data").asText(), part.path("media_type").asText())
              : new Part.LinkedImage(part.path("url").asText(), text(part, "media_type"));
      default ->
          throw new IllegalArgumentException(
              "this worker does not know parts of type '" + type + "'; upgrade it");
    };
  }

  private static Embed embed(JsonNode payload) {
    var inputs = texts(payload.path("inputs"));
    var prompt = text(payload, "prompt");
    if (inputs.isEmpty() && prompt != null) {
      inputs = List.of(prompt);
    }
    if (inputs.isEmpty() || inputs.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException("a text to be embedded must not be empty");
    }
    var chunking = MaintainedRequest.chunking(payload).orElse(null);
    if (chunking != null && inputs.size() != 1) {
      throw new IllegalArgumentException("one text is split, not several");
    }
    var options = payload.path("options");
    var identity = identity(payload, "prompt", "inputs");
    if (chunking != null) {
      identity.put("chunk tokens", chunking.tokens());
      identity.put("chunk overlap", chunking.overlap());
    }
    return new Embed(
        text(payload, "provider"),
        text(payload, "model"),
        text(options, "cache"),
        inputs,
        integer(options, "dimensions"),
        chunking,
        identity);
  }

  private static Rerank rerank(JsonNode payload) {
    var query = text(payload, "prompt");
    var documents = texts(payload.path("inputs"));
    var options = payload.path("options");
    var most = integer(options, "top_n");
    var call =
        new RerankCall(
            text(payload, "model"),
            query == null ? "" : query,
            documents,
            most == null ? documents.size() : Math.min(most, documents.size()),
            // each call is given the time that is left
            Duration.ofMillis(1));
    return new Rerank(
        text(payload, "provider"),
        text(options, "cache"),
        call,
        identity(payload, "prompt", "inputs"));
  }

  /// Those fields, and the options that have to do with the answer.
  private static ObjectNode identity(JsonNode payload, String... fields) {
    var identity = MAPPER.createObjectNode();
    for (var field : fields) {
      var value = payload.get(field);
      if (value != null && !value.isNull()) {
        identity.set(field, canonical(value));
      }
    }
    payload
        .path("options")
        .properties()
        .forEach(option -> {
          var name = option.getKey();
          var value = option.getValue();
          if (!name.equals("cache") && !name.equals("stream") && !value.isNull()) {
            // one text and a list of one are the same
            var same = name.equals("stop") && value.isTextual() ? List.of(value) : value;
            identity.set("option " + name, canonical(MAPPER.valueToTree(same)));
          }
        });
    return identity;
  }

  /// The same with every number in one form: 1, 1.0 and 1e0 ask for the same.
  private static JsonNode canonical(JsonNode value) {
    return switch (value) {
      case ObjectNode object -> {
        var same = MAPPER.createObjectNode();
        object.properties().forEach(each -> same.set(each.getKey(), canonical(each.getValue())));
        yield same;
      }
      case ArrayNode array -> {
        var same = MAPPER.createArrayNode();
        array.forEach(each -> same.add(canonical(each)));
        yield same;
      }
      // what no double holds is left as it was read
      case NumericNode number when Double.isFinite(number.doubleValue()) ->
          DecimalNode.valueOf(number.decimalValue().stripTrailingZeros());
      default -> value;
    };
  }

  private static List<String> texts(JsonNode node) {
    if (node.isTextual()) {
      return List.of(node.asText());
    }
    var texts = new ArrayList<String>();
    node.forEach(each -> texts.add(each.asText()));
    return texts;
  }

  private static @Nullable Integer integer(JsonNode node, String field) {
    return node.hasNonNull(field) ? (Integer) node.get(field).asInt() : null;
  }

  private static @Nullable String text(JsonNode node, String field) {
    var value = node.get(field);
    return value == null || value.isNull() ? null : value.asText();
  }
}
