package org.pgoffload.worker.calls;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaException;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// Checks answers against a caller's JSON schema (draft 2020-12 unless it names another). Fetches
/// nothing: a reference may only lead into the schema itself. Its patterns are run in linear time.
///
/// Immutable.
public final class MatchSchema {
  private static final int MOST_ERRORS_TOLD = 5;

  /// JSON that PostgreSQL's jsonb does not take.
  private static final String NUL = "\\u0000";

  private static final ObjectMapper MAPPER =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private static final SchemaRegistryConfig CONFIG =
      SchemaRegistryConfig.builder()
          .regularExpressionFactory(pattern -> {
            var compiled = Pattern.compile(pattern);
            return value -> compiled.matcher(value).find();
          })
          .build();

  private final Schema schema;

  private MatchSchema(Schema schema) {
    this.schema = schema;
  }

  /// Prepares a schema.
  ///
  /// @throws IllegalArgumentException if it is no JSON schema, with what is wrong
  public static MatchSchema of(JsonNode schema) {
    try {
      var registry =
          SchemaRegistry.withDefaultDialect(
              SpecificationVersion.DRAFT_2020_12,
              builder ->
                  builder
                      .schemaRegistryConfig(CONFIG)
                      .resourceLoaders(loaders -> loaders.values(List::clear)));
      var compiled = registry.getSchema(schema);
      compiled.initializeValidators();
      // what it refers to is looked up with the first value
      var _ = compiled.validate(MAPPER.nullNode());
      return new MatchSchema(compiled);
    } catch (SchemaException | PatternSyntaxException | StackOverflowError e) {
      throw new IllegalArgumentException(
          "response_schema is no JSON schema that can be checked: " + reason(e), e);
    }
  }

  private static String reason(Throwable fault) {
    return fault instanceof StackOverflowError
        ? "it refers to itself without end"
        : String.valueOf(fault.getMessage());
  }

  /// What is wrong with an answer; empty if it matches. Names places in the answer, and may repeat
  /// words of it: not for logs.
  public Optional<String> mismatch(String answer) {
    JsonNode value;
    try {
      value = MAPPER.readTree(answer);
    } catch (JsonProcessingException e) {
      return Optional.of("it is not JSON: " + e.getOriginalMessage());
    }
    if (value == null || value.isMissingNode()) {
      return Optional.of("it is not JSON: it is empty");
    }
    if (answer.contains(NUL)) {
      return Optional.of("it contains the character U+0000, which no database takes");
    }
    try {
      var errors = schema.validate(value);
      return errors.isEmpty()
          ? Optional.empty()
          : Optional.of(
              errors.stream()
                  .limit(MOST_ERRORS_TOLD)
                  .map(error -> error.toString())
                  .collect(Collectors.joining("; ")));
    } catch (SchemaException | StackOverflowError e) {
      return Optional.of("it cannot be checked: " + reason(e));
    }
  }
}
