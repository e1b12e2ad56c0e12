package org.pgoffload.worker.models;

/// The most that a provider embeds in one call.
///
/// @param inputs texts
/// @param tokens of all texts together
public record EmbedLimits(int inputs, int tokens) {

  public EmbedLimits {
    if (inputs < 1 || tokens < 1) {
      throw new IllegalArgumentException("a call embeds at least one text");
    }
  }
}
