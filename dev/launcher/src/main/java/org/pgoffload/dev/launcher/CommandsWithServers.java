package org.pgoffload.dev.launcher;

import java.util.List;
import org.pgoffload.dev.servers.EmbeddedException;
import org.pgoffload.launcher.LocalCommands;

/// `demo`, `dev`, `bench` and `faults`.
public final class CommandsWithServers implements LocalCommands {
  @Override
  public List<Object> commands() {
    return List.of(new DemoCommand(), new DevCommand(), new BenchCommand(), new FaultsCommand());
  }

  @Override
  public boolean explains(Exception exception) {
    return exception instanceof EmbeddedException;
  }
}
