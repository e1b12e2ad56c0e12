package org.pgoffload.dev.tests;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// As `dev` starts it.
record OnEmbeddedServers(LocalInstallation installation) implements TestInstallation {
  static TestInstallation start(Path directory, Map<String, String> environment)
      throws InterruptedException {
    return new OnEmbeddedServers(
        LocalInstallation.start(
            new LocalOptions(directory, false, 0, 0, EnumSet.allOf(Part.class), environment),
            step -> {}));
  }

  @Override
  public DatabaseAddress admin() {
    return installation.admin();
  }

  @Override
  public DatabaseAddress application() {
    return installation.application();
  }

  @Override
  public String kafkaBootstrap() {
    return installation.kafkaBootstrap();
  }

  @Override
  public TopicNames topics() {
    return installation.topics();
  }

  @Override
  public Map<String, String> joiningEnvironment() {
    return installation.joiningEnvironment();
  }

  @Override
  public boolean hasCertificates() {
    return true;
  }

  @Override
  public int managementPort() {
    return installation.managementPort();
  }

  @Override
  public void close() {
    installation.close();
  }
}
