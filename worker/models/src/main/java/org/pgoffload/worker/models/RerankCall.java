package org.pgoffload.worker.models;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Documents to be ranked by how much they help to answer a query. Its text form never shows them.
///
/// @param model the model, or null for the provider's default
/// @param query not blank
/// @param documents the texts, at least one, none blank
/// @param most how many of them are wanted, the best ones: from 1 to all
/// @param timeout for the whole call, from connecting to the last byte
public record RerankCall(
    @Nullable String model, String query, List<String> documents, int most, Duration timeout) {

  public RerankCall {
    documents = List.copyOf(documents);
    if (query.isBlank()) {
      throw new IllegalArgumentException("the query must not be blank");
    }
    if (documents.isEmpty() || documents.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException("documents to be ranked must not be missing or blank");
    }
    if (most < 1 || most > documents.size()) {
      throw new IllegalArgumentException("from one document to all of them can be wanted");
    }
    if (!timeout.isPositive()) {
      throw new IllegalArgumentException("the timeout must be positive");
    }
  }

  /// The same documents to this model, with this much time.
  public RerankCall to(String otherModel, Duration left) {
    return new RerankCall(otherModel, query, documents, most, left);
  }

  @Override
  public String toString() {
    return "RerankCall[model=%s, %d documents, most=%d, timeout=%s]"
        .formatted(model, documents.size(), most, timeout);
  }
}
