package org.pgoffload.platform.hosting;

import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.Settings;

/// Tries what a changed configuration says, before a part that runs gives up the one it has.
///
/// @param databaseOf as [Settings#database(String)] takes it
record CheckLogins(@Nullable String databaseOf) {
  private static final int PATIENCE_SECONDS = 15;

  /// Logs in to the database and to Kafka.
  ///
  /// @throws ConfigurationException with what is wrong, without a secret
  void with(Settings settings) {
    var database = settings.database(databaseOf);
    var kafka = settings.kafka();
    settings.check();
    try (var _ = Objects.requireNonNull(database).connectAsPart("pgoffload reload")) {
      askKafka(kafka);
    } catch (SQLException e) {
      throw new ConfigurationException(
          List.of("cannot log in to " + database + ": " + e.getMessage()));
    }
  }

  private static void askKafka(java.util.Map<String, Object> kafka) {
    try (var admin = Admin.create(kafka)) {
      admin.describeCluster().nodes().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw wrong(e.getCause() == null ? e : e.getCause());
    } catch (KafkaException e) {
      throw wrong(e);
    } catch (TimeoutException e) {
      throw new ConfigurationException(List.of("Kafka does not answer"));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ConfigurationException(List.of("interrupted"));
    }
  }

  private static ConfigurationException wrong(Throwable fault) {
    return new ConfigurationException(
        List.of("cannot log in to Kafka: " + KafkaFault.words(fault)));
  }
}
