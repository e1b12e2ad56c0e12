package org.pgoffload.console;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.operations.deadletters.LetterTopic;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.schema.SentRequest;
import org.pgoffload.schema.TestDatabase;

/// A topic of dead letters of each test's own, and its operator `lead`.
final class TestLetters implements AfterEachCallback {
  private static final AtomicInteger TOPICS = new AtomicInteger();
  private static final TestBroker BROKER = TestBroker.shared();

  private final Supplier<TestDatabase> database;
  private String topic = "";

  /// @param database of the test that runs
  TestLetters(Supplier<TestDatabase> database) {
    this.database = database;
  }

  /// The topic, with `lead` for an operator from the first time on.
  LetterTopic address() {
    if (topic.isEmpty()) {
      begin();
    }
    return new LetterTopic(BROKER.address(), topic);
  }

  private void begin() {
    topic = "console" + TOPICS.getAndIncrement() + ".dead-letters";
    try {
      BROKER.admin().createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
    database
        .get()
        .admin()
        .run(
            "truncate pgoffload.settled_letter; delete from pgoffload.action; delete from pgoffload.replay;"
                + " grant pgoffload_operator to lead");
  }

  @Override
  public void afterEach(ExtensionContext test) {
    if (!topic.isEmpty()) {
      topic = "";
      database.get().admin().run("revoke pgoffload_operator from lead");
    }
  }

  /// A letter that nobody has signed.
  void send(String reason, byte[] value, String detail) {
    var record = new ProducerRecord<byte[], byte[]>(topic, 0, null, null, value);
    record.headers().add(RecordHeaders.REASON, bytes(reason));
    record.headers().add(RecordHeaders.REASON_DETAIL, bytes(detail));
    BROKER.send(record);
  }

  /// A letter of app's request.
  SentRequest sendRequest() {
    database.get().sent();
    database.get().inserted("app");
    var request = database.get().onlySent();
    var record = new ProducerRecord<byte[], byte[]>(topic, 1, null, null, request.bytes());
    record.headers().add(RecordHeaders.REASON, bytes("too_old"));
    record.headers().add(RecordHeaders.SIGNATURE, bytes(request.signature().text()));
    BROKER.send(record);
    return request;
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
