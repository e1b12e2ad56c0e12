package org.pgoffload.worker.delivery.scheduling;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What operators have paused. There are few.
public record Pauses(List<Pause> all) {
  public static final Pauses NONE = new Pauses(List.of());

  private static final ObjectMapper JSON = new ObjectMapper();

  public Pauses {
    all = List.copyOf(all);
  }

  /// What is paused: a model, or a role.
  ///
  /// @param provider null for the model of any
  /// @param model null for all of the provider
  /// @param roleOid null for a model
  public record Pause(@Nullable String provider, @Nullable String model, @Nullable Long roleOid) {
    private boolean holds(Pausable request) {
      if (roleOid != null) {
        return roleOid == request.roleOid();
      }
      return (provider != null || model != null)
          && (provider == null || provider.equals(request.provider()))
          && (model == null || model.equals(request.model()));
    }
  }

  /// As `pgoffload.current_pauses` has it.
  ///
  /// @param json null for none
  /// @throws IllegalArgumentException if it is something else
  public static Pauses of(@Nullable String json) {
    if (json == null) {
      return NONE;
    }
    try {
      var all = new ArrayList<Pause>();
      for (var each : JSON.readTree(json)) {
        var role = each.path("role_oid");
        all.add(
            new Pause(
                each.path("provider").textValue(),
                each.path("model").textValue(),
                role.isNumber() ? role.longValue() : null));
      }
      return new Pauses(all);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("what is paused cannot be read", e);
    }
  }

  /// Whether a request is not to begin.
  public boolean hold(Pausable request) {
    for (var each : all) {
      if (each.holds(request)) {
        return true;
      }
    }
    return false;
  }
}
