package org.pgoffload.dev.launcher;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.pgoffload.dev.benchmarks.OwnInstallation;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.hosting.Observe;
import org.pgoffload.worker.WorkerApp;

/// The workers of a local installation: one, or for a while others.
///
/// Safe to share between threads.
final class LocalWorkers implements OwnInstallation.Workers, AutoCloseable {
  private final Map<String, String> environment;
  private final Observe observe;
  private final List<WorkerApp> running = new ArrayList<>();
  private boolean closed;

  /// @param environment of each
  LocalWorkers(Map<String, String> environment, Observe observe) {
    this.environment = environment;
    this.observe = observe;
  }

  /// Starts one.
  synchronized void start(ReadConfiguration.WorkerWithProviders configuration) {
    if (closed) {
      configuration.providers().close();
      throw new IllegalStateException("the installation was ended while it was starting");
    }
    var app =
        WorkerApp.start(configuration.worker(), configuration.providers(), observe.telemetry());
    running.add(app);
    observe.tellOf("worker", app::health);
  }

  @Override
  public synchronized void replace(int number, int maxInFlight) {
    end();
    var limit = Integer.toString(maxInFlight);
    for (int i = 0; i < number; i++) {
      // one model has as many: the requests are all for one, and none takes long enough to be
      // deferred
      start(configuration(Map.of("PGOFFLOAD_MAX_IN_FLIGHT", limit)));
    }
  }

  @Override
  public synchronized void restore() {
    end();
    start(configuration(Map.of()));
  }

  private ReadConfiguration.WorkerWithProviders configuration(Map<String, String> more) {
    var variables = new TreeMap<>(environment);
    variables.putAll(more);
    return ReadConfiguration.worker(new Settings(variables));
  }

  private void end() {
    running.forEach(WorkerApp::close);
    running.clear();
  }

  @Override
  public synchronized void close() {
    closed = true;
    end();
  }
}
