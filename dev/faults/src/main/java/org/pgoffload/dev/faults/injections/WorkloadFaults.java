package org.pgoffload.dev.faults.injections;

import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.pgoffload.dev.faults.books.Asked;
import org.pgoffload.dev.faults.books.ReadTopic;
import org.pgoffload.dev.faults.books.TakeStep;
import org.pgoffload.dev.faults.installation.StubVendor;
import org.pgoffload.dev.faults.installation.Tag;
import org.postgresql.PGConnection;

/// Much at once, a backlog, and poison.
final class WorkloadFaults {
  private static final int COPIED = 10_000;

  private WorkloadFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
            "copy-with-producer-killed",
            "the owner copies 10,000 requests in one transaction; the producer is killed in the middle",
            WorkloadFaults::copy),
        Fault.of(
            "backlog",
            "a backlog while the model is slow: nothing is published twice",
            WorkloadFaults::backlog),
        Fault.of(
            "poison",
            "garbage and forged records in the request topics and in the WAL, one for every hundred",
            WorkloadFaults::poison));
  }

  /// As many as the load, and 10,000 at the most usual size of a run.
  private static void copy(Scene scene) throws Exception {
    int count = scene.requests() >= 1000 ? COPIED : scene.requests() * 2;
    var journal = scene.journal();
    var text = new StringBuilder();
    var tags = new java.util.ArrayList<Tag>();
    for (int i = 0; i < count; i++) {
      var tag = journal.next();
      tags.add(tag);
      text.append(TakeStep.prompt(tag)).append('\n');
    }
    try (var connection = scene.installation().admin().connect("faults copy")) {
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyIn("copy llm_request (prompt) from stdin", new StringReader(text.toString()));
    }
    tags.forEach(tag -> journal.write(tag, Asked.Kind.LLM_INSERTED, Asked.Fate.ACCEPTED));
    var producer = scene.installation().producer();
    // committed: the transaction is being decoded and published now
    scene.pause(Duration.ofMillis(20), Duration.ofMillis(300));
    producer.kill();
    producer.start();
    scene.measureRecovery("producer");
    producer.awaitReady();
    scene.note("copied " + count);
  }

  private static void backlog(Scene scene) throws Exception {
    var installation = scene.installation();
    try (var topic =
        ReadTopic.fromEnd(
            installation.servers().bootstrapServers(), installation.topics().llmRequests())) {
      installation
          .stub()
          .behave(new StubVendor.Manner(StubVendor.Mode.ANSWERING, 1, Duration.ofSeconds(8)));
      // a hundred seconds for each thousand, up to ten minutes
      var duration =
          Duration.ofMillis(Math.min(600_000L, Math.max(15_000L, scene.requests() * 6L)));
      scene.pause(duration);
      installation.stub().behave(StubVendor.Manner.USUAL);
      var times = ReadTopic.timesPublished(topic.records());
      long twice = times.values().stream().filter(count -> count > 1).count();
      scene.note(
          times.size() + " published in " + duration.toSeconds() + " s, " + twice + " twice");
      if (twice > 0) {
        scene.problem(twice + " requests of a healthy backlog were published twice");
      }
    }
  }

  private static void poison(Scene scene) throws Exception {
    var installation = scene.installation();
    var topics = installation.topics();
    int count = Math.max(3, scene.requests() / 100);
    try (var letters =
            ReadTopic.fromEnd(installation.servers().bootstrapServers(), topics.deadLetters());
        var kafka =
            new KafkaProducer<>(
                Map.<String, Object>of(
                    "bootstrap.servers", installation.servers().bootstrapServers()),
                new ByteArraySerializer(),
                new ByteArraySerializer())) {
      for (int i = 0; i < count; i++) {
        var topic = i % 2 == 0 ? topics.llmRequests() : topics.sqlRequests();
        kafka.send(new ProducerRecord<>(topic, poison(i, scene.journal().run()))).get();
        scene.execute(
            "select pg_logical_emit_message("
                + (i % 2 == 0)
                + ", 'pgoffload.request', '"
                + new String(poison(i + 1, scene.journal().run()), StandardCharsets.UTF_8)
                    .replace("'", "''")
                + "')");
        scene.pause(Duration.ofMillis(5000 / count));
      }
      scene.measureRecovery("beside it");
      scene.awaitRecovery();
      int buried = letters.records().size();
      scene.note(2 * count + " poisonous, " + buried + " dead letters");
      if (buried < 2 * count) {
        scene.problem("of " + 2 * count + " poisonous records " + buried + " are dead letters");
      }
    }
  }

  /// Garbage, half of a JSON, and unsigned requests. The load does not use the forged number, so
  /// that its call or effect would be seen.
  private static byte[] poison(int number, String run) {
    var forged = new Tag(run, 900_000_000 + number);
    var text =
        switch (number % 4) {
          case 0 -> "garbage";
          case 1 -> "k1:00ff\n{\"version\":1,\"id\":";
          case 2 -> envelope("ask", "{\"prompt\":\"What is " + forged + "?\"}", number);
          default ->
              "k1:"
                  + "00".repeat(32)
                  + "\n"
                  + envelope(
                      "sql",
                      "{\"command\":\"insert into app.effect values ('" + forged + "')\"}",
                      number);
        };
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String envelope(String kind, String payload, int number) {
    return "{\"version\":1,\"id\":"
        + (1_000_000_000L + number)
        + ",\"kind\":\""
        + kind
        + "\",\"ordering_key\":null,\"immediate\":true,\"installation\":\"forged\",\"nonce\":\"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed\","
        + "\"signed_at_us\":1790000000000000,\"timeout_ms\":null,\"requested_by\":{\"user\":\"app\","
        + "\"user_oid\":10,\"session_user\":\"app\",\"session_user_oid\":10,\"role\":\"none\"},"
        + "\"payload\":"
        + payload
        + "}";
  }
}
