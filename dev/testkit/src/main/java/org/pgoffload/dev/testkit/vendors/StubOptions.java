package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The options of a question as the stub understood them.
///
/// @param responseSchema as the vendor got it
/// @param dimensions of vectors, for texts to embed
/// @param compact whether vectors are wanted as base64
public record StubOptions(
    @Nullable Double temperature,
    @Nullable Integer maxOutputTokens,
    List<String> stop,
    @Nullable String reasoningEffort,
    @Nullable JsonNode responseSchema,
    @Nullable Integer dimensions,
    boolean compact) {

  /// None was given.
  public static final StubOptions NONE =
      new StubOptions(null, null, List.of(), null, null, null, false);

  public StubOptions {
    stop = List.copyOf(stop);
  }

  /// Of a question to a model.
  static StubOptions of(
      @Nullable Double temperature,
      @Nullable Integer maxOutputTokens,
      List<String> stop,
      @Nullable String reasoningEffort,
      @Nullable JsonNode responseSchema) {
    return new StubOptions(
        temperature, maxOutputTokens, stop, reasoningEffort, responseSchema, null, false);
  }

  /// Of texts to embed.
  public static StubOptions vectors(@Nullable Integer dimensions, boolean compact) {
    return new StubOptions(null, null, List.of(), null, null, dimensions, compact);
  }

  /// The token limit alone.
  public static StubOptions limit(@Nullable Integer maxOutputTokens) {
    return new StubOptions(null, maxOutputTokens, List.of(), null, null, null, false);
  }
}
