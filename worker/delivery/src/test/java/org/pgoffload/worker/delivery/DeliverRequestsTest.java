package org.pgoffload.worker.delivery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.platform.KeepPositions;
import org.pgoffload.platform.RepeatedRecords;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.records.ReadRecords;
import org.pgoffload.worker.delivery.scheduling.Pausable;
import org.pgoffload.worker.delivery.scheduling.Places;
import org.pgoffload.worker.delivery.scheduling.RequestScheduler;
import org.pgoffload.worker.delivery.scheduling.Turn;
import org.pgoffload.worker.delivery.trust.SigningKeyCache;
import org.pgoffload.worker.delivery.trust.VerifyRequest;
import org.pgoffload.worker.delivery.waiting.SeenPartitions;

/// In which order requests are claimed whose records are not all in memory.
final class DeliverRequestsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final TopicNames TOPICS = new TopicNames("deliver");
  private static final RequestQueue QUEUE =
      new RequestQueue("test", TOPICS.llmRequests(), RequestChannel.LLM, 100, 1 << 20);

  @AutoClose private static final WorkerDatabase server = new WorkerDatabase();
  @AutoClose private static final TestBroker broker = TestBroker.shared();

  private final MeasureRequests measure = new MeasureRequests(Telemetry.none());

  @AutoClose
  private final PublishRecords publish = new PublishRecords(broker.address(), TOPICS, measure);

  private final RunRequests run = new RunRequests("test", publish, measure);
  private final Handler handler = new Handler();
  private final PendingRequests pending =
      new PendingRequests(
          PendingListener.of(
              handler.scheduler,
              request ->
                  handler.scheduler.add(
                      request.id(),
                      "place",
                      Pausable.ofModel("p", "m"),
                      request.envelope().orderingKey(),
                      null)));

  @BeforeAll
  static void createTopics() throws Exception {
    broker
        .admin()
        .createTopics(
            List.of(
                new NewTopic(QUEUE.topic(), 1, (short) 1),
                new NewTopic(TOPICS.deadLetters(), 1, (short) 1)))
        .all()
        .get();
  }

  @Test
  void requestsOfOneKeyThatAreReadAgainKeepTheirOrder() throws Exception {
    var deliver = deliver(DeliverRequestsTest::consumer);
    var ids = List.of(1020L, 1021L, 1022L, 1023L, 1024L, 1025L, 1026L, 1027L);
    for (long id : ids) {
      // the last one stays in memory
      pending.forgetRecords(0, 0);
      deliver.received(sent(keyed(id, "k")));
    }
    roundUntilClaimed(deliver, ids.size());
    assertThat(handler.claimed).containsExactlyElementsOf(ids);
  }

  @Test
  void aRequestThatCannotBeReadAgainIsNotOvertakenByLaterOnesOfItsKey() throws Exception {
    var deliver = deliver(handler::noConsumer);
    deliver.received(unsent(keyed(1, "k")));
    pending.forgetRecords(0, 0);
    deliver.received(unsent(keyed(2, "k")));
    deliver.received(unsent(keyed(3, "other")));
    deliver.round(null);
    deliver.round(null);
    assertThat(handler.claimed).containsExactly(3L);
    assertThat(pending.waiting()).isEqualTo(2);
  }

  /// As one that was sent again, whose record lies behind those of all that wait.
  @Test
  void theFirstRequestIsReadAgainFirstWhereverItsRecordLies() throws Exception {
    var deliver = deliver(DeliverRequestsTest::consumerOfOneRecord);
    var others = List.of(sent(envelope(1031)), sent(envelope(1032)));
    deliver.received(sent(envelope(1033)));
    others.forEach(deliver::received);
    pending.forgetRecords(0, 0);
    roundUntilClaimed(deliver, 1);
    assertThat(handler.claimed).containsExactly(1033L);
  }

  private static Consumer<byte[], byte[]> consumerOfOneRecord() {
    var properties = new HashMap<>(ConsumerProperties.again(settings(), QUEUE));
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 1);
    return new KafkaConsumer<>(properties) {
      private boolean done;

      @Override
      public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
        if (done) {
          throw new TimeoutException("Kafka does not answer any more");
        }
        var records = super.poll(timeout);
        done = !records.isEmpty();
        return records;
      }
    };
  }

  @Test
  void whatIsInMemoryIsClaimedAndRecordedThoughOthersCannotBeReadAgain() throws Exception {
    var deliver = deliver(handler::noConsumer);
    deliver.received(unsent(envelope(1)));
    pending.forgetRecords(0, 0);
    deliver.received(unsent(envelope(2)));
    deliver.round(null);
    assertThat(handler.events).containsExactly("claim 2", "ask Kafka");
    handler.room = 1;
    deliver.received(unsent(envelope(3).replace("\"immediate\": false", "\"immediate\": true")));
    deliver.round(null);
    // Kafka is not asked again at once
    assertThat(handler.events).containsExactly("claim 2", "ask Kafka", "record 3");
  }

  @Test
  void aRequestEndsAsGoneIfAnotherRecordLiesInItsPlace() throws Exception {
    var deliver = deliver(DeliverRequestsTest::consumer);
    var unsigned = broker.producer().send(new ProducerRecord<>(QUEUE.topic(), new byte[] {1}));
    deliver.received(at(unsigned.get().offset(), envelope(1)));
    pending.forgetRecords(0, 0);
    roundUntilClaimed(deliver, 1);
    assertThat(handler.refusals).containsEntry(1L, DeadLetterReason.GONE);
  }

  @Test
  void aConsumerThatIsOpenedAgainReadsWhatIsNotCommittedAndNothingIsClaimedTwice()
      throws Exception {
    var opened = new AtomicInteger();
    var consume =
        new ConsumeRequests(
            settings(),
            deliver(DeliverRequestsTest::consumer),
            () -> {
              opened.incrementAndGet();
              return new KafkaConsumer<>(ConsumerProperties.requests(settings(), QUEUE));
            },
            judge(),
            new KeepPositions(
                KeepPositions.Session.of(server.worker()),
                new RepeatedRecords(),
                () -> true,
                "Requests"),
            new SeenPartitions(QUEUE.topic()));
    handler.room = 0;
    var thread = Thread.ofPlatform().start(consume);
    sent(envelope(2001));
    await().atMost(PATIENCE).until(() -> pending.waits(2001));
    consume.reopen();
    await().atMost(PATIENCE).until(() -> opened.get() == 2);
    handler.room = 100;
    sent(envelope(2002));
    await().atMost(PATIENCE).until(() -> handler.claimed.containsAll(List.of(2001L, 2002L)));
    // both run here and are read again
    consume.reopen();
    await().atMost(PATIENCE).until(() -> opened.get() == 3);
    sent(envelope(2003));
    await().atMost(PATIENCE).until(() -> handler.claimed.contains(2003L));
    consume.close();
    thread.join();
    assertThat(handler.claimed).doesNotHaveDuplicates();
  }

  private void roundUntilClaimed(DeliverRequests<?> deliver, int count) {
    var until = Instant.now().plusSeconds(60);
    while (handler.claimed.size() < count && Instant.now().isBefore(until)) {
      deliver.round(null);
    }
  }

  private DeliverRequests<Begun> deliver(Supplier<Consumer<byte[], byte[]>> consumer)
      throws Exception {
    return new DeliverRequests<>(
        handler,
        pending,
        run,
        measure,
        new ReadAgain(pending, new ReadRecords(consumer), judge()),
        TOPICS);
  }

  private JudgeRecord judge() throws Exception {
    var verify = new VerifyRequest(new SigningKeyCache(server.worker()), Instant::now);
    return new JudgeRecord(verify, run, RequestChannel.LLM, new RepeatedRecords());
  }

  private static DeliverySettings settings() {
    return new DeliverySettings("w", "test", TOPICS, broker.address(), 100, 1 << 20, Duration.ZERO);
  }

  private static Consumer<byte[], byte[]> consumer() {
    return new KafkaConsumer<>(ConsumerProperties.again(settings(), QUEUE));
  }

  private static String envelope(long id) throws Exception {
    return TestRequests.envelope(id, "ask", "{\"prompt\": \"why?\"}", 60_000)
        .replace("\"i\"", "\"" + server.query("select id from pgoffload.installation") + "\"")
        .replace("1000000", Instant.now().toEpochMilli() + "000");
  }

  private static String keyed(long id, String orderingKey) throws Exception {
    return envelope(id)
        .replace("\"immediate\"", "\"ordering_key\": \"" + orderingKey + "\", \"immediate\"");
  }

  private static ConsumedRequest unsent(String envelope) {
    return at(0, envelope);
  }

  private static ConsumedRequest at(long offset, String envelope) {
    var value = TestRequests.record(envelope, "").value();
    return new ConsumedRequest(
        Envelope.read(value),
        new ConsumerRecord<>(QUEUE.topic(), 0, offset, new byte[0], value),
        () -> {});
  }

  private static ConsumedRequest sent(String envelope) throws Exception {
    var key = server.query("select key_id || ':' || encode(key, 'hex') from pgoffload.signing_key");
    var parts = key.split(":", -1);
    var value = TestRequests.record(envelope, "").value();
    var record = new ProducerRecord<byte[], byte[]>(QUEUE.topic(), value);
    var signature = parts[0] + ":" + TestRequests.mac(parts[1], envelope);
    record.headers().add(RecordHeaders.SIGNATURE, signature.getBytes(StandardCharsets.UTF_8));
    return at(broker.producer().send(record).get().offset(), envelope);
  }

  private record Begun(int attempt, Instant claimedAt) implements Attempt {}

  /// Claims whatever it is given, and lets it run for ever.
  private static final class Handler implements RequestHandler<Begun> {
    private final RequestScheduler<String> scheduler =
        new RequestScheduler<>(new AnyNumber(), RequestScheduler.KeyOrder.UNTIL_IT_HAS_BEGUN);
    private final List<Long> claimed = new CopyOnWriteArrayList<>();
    private final List<String> events = new ArrayList<>();
    private final Map<Long, DeadLetterReason> refusals = new HashMap<>();
    private volatile int room = 100;

    private Consumer<byte[], byte[]> noConsumer() {
      events.add("ask Kafka");
      throw new TimeoutException("Kafka does not answer");
    }

    @Override
    public RequestQueue queue() {
      return QUEUE;
    }

    @Override
    public RequestScheduler<?> scheduler() {
      return scheduler;
    }

    @Override
    public int room() {
      return room;
    }

    @Override
    public List<Long> mayBegin(int atMost) {
      return scheduler.choose(atMost, Instant.now());
    }

    @Override
    public Map<Long, Claim<Begun>> claim(List<ConsumedRequest> requests, @Nullable UUID timeline) {
      var claims = new HashMap<Long, Claim<Begun>>();
      for (var request : requests) {
        claimed.add(request.id());
        events.add("claim " + request.id());
        claims.put(request.id(), new Claim.Claimed<>(new Begun(1, Instant.now())));
      }
      return claims;
    }

    @Override
    public Claim<Begun> claimToEnd(ConsumedRequest request, @Nullable UUID timeline) {
      throw new IllegalStateException("all can be claimed");
    }

    @Override
    public Optional<Execution> begin(ConsumedRequest request, Begun attempt) {
      return Optional.of(() -> {
        new CountDownLatch(1).await();
        return RequestEnd.FINISHED;
      });
    }

    @Override
    public Optional<Execution> end(ConsumedRequest request, Begun attempt, EndReason reason) {
      if (reason instanceof EndReason.NotExecuted(var refusal)) {
        refusals.put(request.id(), refusal.reason());
      }
      return Optional.of(() -> RequestEnd.FINISHED);
    }

    @Override
    public Optional<Execution> publishStanding(ConsumedRequest request) {
      return Optional.empty();
    }

    @Override
    public void record(List<ConsumedRequest> requests) {
      requests.forEach(request -> events.add("record " + request.id()));
    }
  }

  private static final class AnyNumber implements Places<String> {
    private final TreeSet<Turn<String>> waiting =
        new TreeSet<>(Comparator.comparingLong(Turn::arrival));

    @Override
    public void add(Turn<String> turn) {
      waiting.add(turn);
    }

    @Override
    public void remove(Turn<String> turn) {
      waiting.remove(turn);
    }

    @Override
    public void take(Turn<String> turn) {}

    @Override
    public void free(Turn<String> turn) {}

    @Override
    public @Nullable Turn<String> next() {
      return waiting.isEmpty() ? null : waiting.first();
    }
  }
}
