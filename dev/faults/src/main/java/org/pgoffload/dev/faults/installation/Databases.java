package org.pgoffload.dev.faults.installation;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresStandby;

/// PostgreSQL of an installation: one server, or a primary and a standby that can take its place.
/// Each server comes back at the same address with the same data. Thread-safe.
public final class Databases implements AutoCloseable {
  private static final Duration CATCH_UP = Duration.ofMinutes(2);

  /// Its physical slot has the same name on whichever server is the primary.
  private static final String STANDBY = "standby";

  private final Shape shape;
  private final List<PostgresOptions> options;
  private final List<@Nullable PostgresServer> servers = new ArrayList<>();
  private final @Nullable Link replication;
  private volatile int primary;

  /// @param options of one server, or of two
  Databases(Shape shape, List<PostgresOptions> options) {
    this.shape = shape;
    this.options = List.copyOf(options);
    options.forEach(_ -> servers.add(null));
    replication =
        options.size() == 1 ? null : new Link("replication", options.getFirst().port(), null);
  }

  /// The ports of all servers.
  List<Integer> ports() {
    return options.stream().map(PostgresOptions::port).toList();
  }

  /// The port of the server that takes writes.
  int primaryPort() {
    return options.get(primary).port();
  }

  Path primaryDirectory() {
    return options.get(primary).directory();
  }

  /// The server that takes writes.
  public PostgresServer primary() {
    return server(primary);
  }

  private synchronized PostgresServer server(int index) {
    var server = servers.get(index);
    if (server == null) {
      throw new IllegalStateException("PostgreSQL was never started");
    }
    return server;
  }

  /// Starts the primary if it does not run.
  public void startPrimary() {
    start(primary);
  }

  private synchronized PostgresServer start(int index) {
    var present = servers.get(index);
    if (present != null && present.isRunning()) {
      return present;
    }
    if (present != null) {
      present.close();
    }
    var started = PostgresServer.start(present == null ? options.get(index) : present.options());
    servers.set(index, started);
    return started;
  }

  /// Makes the standby, if there is to be one.
  void startStandby() {
    if (replication != null) {
      var following = new PostgresStandby(STANDBY, replication.port());
      become(1, following.copy(primary(), options.get(1)));
      makePrimaryWait(following);
    }
  }

  private synchronized void become(int index, PostgresServer server) {
    servers.set(index, server);
  }

  private void makePrimaryWait(PostgresStandby following) {
    if (shape.standby() == Shape.Standby.SYNCHRONOUS) {
      following.awaitByCommits(primary());
      if (shape.synchronisesSlots()) {
        following.awaitBySlots(primary());
      }
    }
  }

  /// Waits until the standby, if there is one, has everything: the capture's slot as well where
  /// slots are synchronised. A new slot is, once the capture has moved it.
  public void awaitStandby() {
    if (replication == null) {
      return;
    }
    var standby = server(1 - primary);
    Await.until(
        () -> PostgresStandby.hasReplayed(standby, primary()),
        CATCH_UP,
        () -> "the standby does not follow");
    if (shape.synchronisesSlots()) {
      Await.until(
          () -> PostgresStandby.hasSlot(standby, Installation.SLOT),
          CATCH_UP,
          () -> "the slot is not synchronised");
    }
  }

  /// Cuts the standby off from its primary.
  public void cutReplication() {
    if (replication == null) {
      throw new IllegalStateException("there is no standby");
    }
    replication.become(Link.State.CUT);
  }

  /// Ends the primary as a crash would.
  public void crashPrimary() {
    primary().stopImmediately();
  }

  /// Ends the primary in an orderly way, with everything on its standby.
  ///
  /// @return false if that took too long, and the standby may lack something
  public boolean stopPrimary() {
    return primary().stop(Duration.ofSeconds(20));
  }

  /// Lets the standby take the place of the primary, which is gone.
  public void promote() {
    int next = 1 - primary;
    PostgresStandby.promote(server(next));
    primary = next;
  }

  /// Starts the former primary as it was: it takes writes, too.
  public PostgresServer startFormerPrimary() {
    return start(1 - primary);
  }

  /// Starts the former primary, which was ended in an orderly way, as the standby.
  public void rejoin() {
    int former = 1 - primary;
    var following = PostgresStandby.of(primary(), STANDBY);
    become(former, following.rejoin(primary(), server(former).options()));
    makePrimaryWait(following);
  }

  @Override
  public synchronized void close() {
    if (replication != null) {
      replication.close();
    }
    // the primary first: its standby would otherwise be waited for
    for (int index : new int[] {primary, servers.size() - 1 - primary}) {
      var server = servers.get(index);
      if (server != null) {
        server.close();
      }
    }
  }
}
