package org.pgoffload.console.models;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The models that were asked within a time, those with the most calls first.
///
/// @param hours how long ago the time began
/// @param errorsAreOfNewest whether errors are counted of the newest requests alone
/// @param pauses what is paused, as far as the role may know
/// @param operates whether the role may pause and resume
public record Models(
    int hours,
    boolean errorsAreOfNewest,
    List<Model> models,
    List<Pause> pauses,
    boolean operates) {
  /// A model, a provider or a role that is paused.
  ///
  /// @param model or null for all models of the provider, and for a role
  /// @param provider or null for the models of this name of any provider, and for a role
  /// @param role or null for models
  public record Pause(
      @Nullable String model,
      @Nullable String provider,
      @Nullable String role,
      Instant since,
      String by,
      @Nullable String reason) {
    boolean isOf(Model of) {
      return role == null
          && (model == null || model.equals(of.name()))
          && (provider == null || provider.equals(of.provider()));
    }

    /// What is paused, in words.
    public String words() {
      if (role != null) {
        return "role " + role;
      }
      if (model == null) {
        return "all models of " + provider;
      }
      return provider == null ? model + " of any provider" : model + " of " + provider;
    }
  }

  /// Whether a model is paused, by itself or with others.
  public boolean isPaused(Model model) {
    return pauses.stream().anyMatch(pause -> pause.isOf(model));
  }

  /// A model of a provider.
  ///
  /// @param cost in each currency, in words; empty where it has no price
  /// @param errors of its calls, the most frequent first
  /// @param pace or null where no worker has calls under way or waiting
  public record Model(
      String provider,
      String name,
      Counts counts,
      String cost,
      List<ErrorCount> errors,
      @Nullable Pace pace) {}

  /// What it was asked.
  public record Counts(
      long requests,
      long failed,
      long calls,
      long failedCalls,
      long inputTokens,
      long outputTokens) {}

  /// How many calls have ended with an error.
  public record ErrorCount(String code, long count) {}

  /// What its next call waits for, at all workers.
  ///
  /// @param calling calls that are under way
  /// @param waiting calls that wait for their turn
  /// @param words why, or empty where nothing waits
  /// @param perSecond calls a second that its limits let through, as configured or learnt; or null
  public record Pace(long calling, long waiting, String words, @Nullable String perSecond) {}
}
