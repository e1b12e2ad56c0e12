package org.pgoffload.operations;

import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.schema.InstallException;

/// Questions and orders of an administrator to Kafka. Their failures are told in words.
public final class AskKafka {
  private AskKafka() {}

  /// A question to Kafka, or several.
  public interface Question<T> {
    T ask(Admin admin) throws ExecutionException, InterruptedException, TimeoutException;
  }

  /// Asks with a client of its own.
  ///
  /// @param client Kafka's client properties
  /// @param refused what is said before Kafka's own words if it refuses
  /// @throws InstallException if Kafka refuses or does not answer
  public static <T> T ask(Map<String, Object> client, String refused, Question<T> question) {
    try (var admin = Admin.create(client)) {
      return question.ask(admin);
    } catch (ExecutionException e) {
      throw new InstallException(refused + ": " + words(e), e);
    } catch (TimeoutException e) {
      throw new InstallException(
          "Kafka did not answer within 30 s at " + client.get("bootstrap.servers"), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InstallException("interrupted while Kafka was asked", e);
    }
  }

  static String words(ExecutionException e) {
    return KafkaFault.words(e.getCause() == null ? e : e.getCause());
  }
}
