package org.pgoffload.worker.models;

import java.util.List;

/// How a call ended.
public sealed interface LlmOutcome {

  /// What the vendor counted, also for a call that failed after the model had run.
  Usage usage();

  /// What the reply tells of the vendor's limits; empty if it tells nothing.
  List<RateLimit> limits();

  /// The model answered, perhaps cut short. Its text form never shows the answer.
  ///
  /// @param text the answer, never empty; of a streamed one all pieces joined
  /// @param finishReason why the model stopped; [FinishReason#LENGTH] for an answer cut short
  record Answered(
      String text, FinishReason finishReason, Origin origin, Usage usage, List<RateLimit> limits)
      implements LlmOutcome {

    public Answered {
      limits = List.copyOf(limits);
      if (text.isEmpty()) {
        throw new IllegalArgumentException("an empty answer is a failure");
      }
    }

    @Override
    public String toString() {
      return "Answered[%d characters, finishReason=%s, origin=%s, usage=%s]"
          .formatted(text.length(), finishReason.word(), origin, usage);
    }
  }

  /// The texts were embedded.
  ///
  /// @param vectors one for each input, in order, all of the same length
  record Embedded(List<float[]> vectors, Origin origin, Usage usage, List<RateLimit> limits)
      implements LlmOutcome {

    public Embedded {
      vectors = List.copyOf(vectors);
      limits = List.copyOf(limits);
      if (vectors.isEmpty()) {
        throw new IllegalArgumentException("an embedding has at least one vector");
      }
    }

    @Override
    public String toString() {
      return "Embedded[%d vectors, origin=%s, usage=%s]".formatted(vectors.size(), origin, usage);
    }
  }

  /// The documents were ranked.
  ///
  /// @param ranks those that were wanted, the best first
  record Reranked(List<RankedDocument> ranks, Origin origin, Usage usage, List<RateLimit> limits)
      implements LlmOutcome {

    public Reranked {
      ranks = List.copyOf(ranks);
      limits = List.copyOf(limits);
      if (ranks.isEmpty()) {
        throw new IllegalArgumentException("a ranking has at least one document");
      }
    }
  }

  /// There is no answer.
  ///
  /// @param model as the vendor reported it, else as it was asked for
  record Failed(LlmError error, String model, Usage usage, List<RateLimit> limits)
      implements LlmOutcome {

    public Failed {
      limits = List.copyOf(limits);
    }
  }
}
