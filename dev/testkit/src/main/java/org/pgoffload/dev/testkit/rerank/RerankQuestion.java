package org.pgoffload.dev.testkit.rerank;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// Documents to be ranked, as the stub understood them, in no server's format.
///
/// @param path to which they were posted
/// @param model null where the server has one model alone
/// @param topN how many are wanted; null for all
public record RerankQuestion(
    String path,
    @Nullable String model,
    String query,
    List<String> documents,
    @Nullable Integer topN) {

  public RerankQuestion {
    documents = List.copyOf(documents);
  }
}
