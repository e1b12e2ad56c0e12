package org.pgoffload.worker.delivery.scheduling;

import org.jspecify.annotations.Nullable;

/// What a request can be kept from beginning by.
///
/// @param provider that is asked first; null for none
/// @param model that is asked first; null for none
/// @param roleOid of the role that asked; 0 for none
public record Pausable(@Nullable String provider, @Nullable String model, long roleOid) {
  /// Nothing that anybody pauses.
  public static final Pausable NOTHING = new Pausable(null, null, 0);

  /// A request for SQL.
  public static Pausable ofRole(long roleOid) {
    return new Pausable(null, null, roleOid);
  }

  /// A model, whoever asks it.
  public static Pausable ofModel(String provider, String model) {
    return new Pausable(provider, model, 0);
  }
}
