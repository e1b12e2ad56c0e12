package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// The row of a maintained column that an LLM request is for.
///
/// @param name of the maintained column
/// @param key the row's primary key: the text of each of its columns, in order
public record MaintainedRow(
    @JsonProperty("name") String name, @JsonProperty("key") List<String> key) {
  @SuppressWarnings("NullAway") // what was read from JSON may lack anything
  public MaintainedRow {
    Require.that(name != null && !name.isEmpty(), "a maintained column has a name");
    Require.that(
        key != null && !key.isEmpty() && key.stream().allMatch(Objects::nonNull),
        "a row of a maintained column has a key");
    key = List.copyOf(key);
  }

  /// Of a request: its row, or none if it is for none, or does not say which in a way that this
  /// version reads.
  ///
  /// @param payload of its envelope
  public static Optional<MaintainedRow> of(JsonNode payload) {
    var maintained = payload.path("maintained");
    var name = maintained.path("name");
    var key = new ArrayList<String>();
    for (var each : maintained.path("key")) {
      if (!each.isTextual()) {
        return Optional.empty();
      }
      key.add(each.asText());
    }
    return name.isTextual() && !name.asText().isEmpty() && !key.isEmpty()
        ? Optional.of(new MaintainedRow(name.asText(), key))
        : Optional.empty();
  }
}
