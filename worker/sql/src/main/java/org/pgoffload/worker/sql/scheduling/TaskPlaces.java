package org.pgoffload.worker.sql.scheduling;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.scheduling.ConcurrencyQuota;
import org.pgoffload.worker.delivery.scheduling.Places;
import org.pgoffload.worker.delivery.scheduling.ShortName;
import org.pgoffload.worker.delivery.scheduling.Turn;
import org.pgoffload.worker.delivery.waiting.Largest;
import org.pgoffload.worker.sql.sessions.SqlLimits;

/// The connections that tasks run on: within the limits of their depth, role and session, in the
/// order of their arrival.
final class TaskPlaces implements Places<TaskPlaces.Place> {
  private final SqlLimits limits;
  private final Map<Object, ConcurrencyQuota<Place>> quotas = new HashMap<>();
  private final TreeMap<Integer, ConcurrencyQuota<Place>> depths = new TreeMap<>();

  /// @param limits of all tasks at one depth, and of those of one role
  TaskPlaces(SqlLimits limits) {
    this.limits = limits;
  }

  /// Whose sessions the tasks run on: the role that logs in.
  record Role(int depth, long oid) {}

  /// The session that launched a task; without a key, all tasks of the role that have none.
  record Session(Role role, @Nullable String key) {}

  /// The place of a task.
  ///
  /// @param most how many of its session may run at once, as the task says
  record Place(Session session, int most) {}

  @Override
  public void add(Turn<Place> turn) {
    quotaOf(turn.place().session)
        .add(turn.arrival(), new ConcurrencyQuota.Waiting<>(turn, turn.place().most));
  }

  @Override
  public void remove(Turn<Place> turn) {
    quotaOf(turn.place().session).remove(turn.arrival());
    forgetUnused(turn.place().session);
  }

  @Override
  public void take(Turn<Place> turn) {
    quotaOf(turn.place().session).take();
  }

  @Override
  public void free(Turn<Place> turn) {
    quotaOf(turn.place().session).free();
    forgetUnused(turn.place().session);
  }

  /// The earliest of all depths.
  @Override
  public @Nullable Turn<Place> next() {
    Map.@Nullable Entry<Long, ConcurrencyQuota.Waiting<Place>> earliest = null;
    for (var depth : depths.values()) {
      var first = depth.first();
      if (first != null && (earliest == null || first.getKey() < earliest.getKey())) {
        earliest = first;
      }
    }
    return earliest == null ? null : earliest.getValue().turn();
  }

  /// Of sessions, roles and depths where something waits: how many do, and how many places are
  /// taken; of a session also how many it has.
  @Override
  public void tell(ObjectNode queue) {
    queue.put("connections", limits.connections()).put("per_role", limits.connectionsPerRole());
    var roles = new HashMap<Role, Integer>();
    var atDepths = new TreeMap<Integer, Integer>();
    var sessions = new HashMap<Session, ConcurrencyQuota<Place>>();
    quotas.forEach((of, quota) -> {
      if (of instanceof Session session && quota.waiting() > 0) {
        sessions.put(session, quota);
        roles.merge(session.role, quota.waiting(), Integer::sum);
        atDepths.merge(session.role.depth, quota.waiting(), Integer::sum);
      }
    });
    var told = queue.putObject("sessions");
    for (var each : Largest.of(sessions.entrySet(), entry -> entry.getValue().waiting())) {
      var quota = each.getValue();
      told.putArray(nameOf(each.getKey()))
          .add(quota.waiting())
          .add(quota.taken())
          .add(quota.places());
    }
    var ofRoles = queue.putObject("roles");
    for (var each : Largest.of(roles.entrySet(), Map.Entry::getValue)) {
      ofRoles
          .putArray(nameOf(each.getKey()))
          .add(each.getValue())
          .add(quotaOf(each.getKey()).taken());
    }
    var ofDepths = queue.putObject("depths");
    atDepths.forEach((depth, waiting) ->
        ofDepths
            .putArray(depth.toString())
            .add(waiting)
            .add(Objects.requireNonNull(depths.get(depth)).taken()));
  }

  private static String nameOf(Role role) {
    return role.depth + "/" + role.oid;
  }

  private static String nameOf(Session session) {
    return nameOf(session.role) + "/" + (session.key == null ? "" : ShortName.of(session.key));
  }

  private ConcurrencyQuota<Place> quotaOf(Session session) {
    var known = quotas.get(session);
    if (known == null) {
      known = new ConcurrencyQuota<>(quotaOf(session.role), Integer.MAX_VALUE);
      quotas.put(session, known);
    }
    return known;
  }

  private ConcurrencyQuota<Place> quotaOf(Role role) {
    var known = quotas.get(role);
    if (known == null) {
      var depth =
          depths.computeIfAbsent(
              role.depth, _ -> new ConcurrencyQuota<>(null, limits.connections()));
      known = new ConcurrencyQuota<>(depth, limits.connectionsPerRole());
      quotas.put(role, known);
    }
    return known;
  }

  private void forgetUnused(Session session) {
    if (quotaOf(session).isUnused()) {
      quotas.remove(session);
      if (quotaOf(session.role).isUnused()) {
        quotas.remove(session.role);
      }
    }
  }
}
