package org.pgoffload.worker.models;

/// Who is asked: a provider, and one of its models.
public record ModelTarget(LlmProvider provider, String model) {

  @Override
  public String toString() {
    return provider.name() + ":" + model;
  }
}
