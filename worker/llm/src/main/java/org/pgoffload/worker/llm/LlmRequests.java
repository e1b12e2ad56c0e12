package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.ConsumerProperties;
import org.pgoffload.worker.delivery.Delivery;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.RunRequests;
import org.pgoffload.worker.delivery.commands.CommandHandler;
import org.pgoffload.worker.delivery.lease.ClaimFence;
import org.pgoffload.worker.llm.calls.EmbedTogether;
import org.pgoffload.worker.llm.calls.MakeCalls;
import org.pgoffload.worker.models.LlmProviders;

/// Opens what answers requests to language models.
public final class LlmRequests {
  private LlmRequests() {}

  /// Has new requests and deferred ones consumed.
  ///
  /// @param machine by which nothing is decided: it only says when calls were made
  /// @return what obeys the commands to them
  public static CommandHandler open(
      Delivery delivery,
      LlmSettings settings,
      LlmProviders providers,
      InstantSource machine,
      Telemetry telemetry) {
    var limits = delivery.settings();
    var topics = limits.topics();
    var publish = new PublishAnswers(delivery.publish(), topics);
    var make = delivery.opened(new MakeCalls(settings.calls(), machine, telemetry));
    delivery.shareWith(make::shareWith);
    delivery.lease().whenPaused(make::pause);
    var answer =
        new AnswerRequest(
            providers,
            make,
            delivery.opened(new EmbedTogether(make, settings.calls())),
            new ConsultCache(delivery.database(), delivery.lease()),
            (request, claim) ->
                new StreamPieces(publish::begin, delivery.timer(), request, claim.attempt()),
            delivery.clock());
    var targets = new ChooseTarget(providers);
    var inFlight =
        new InFlightRequests(
            targets,
            new ClaimFence(delivery.database(), delivery.lease()),
            delivery.clock(),
            settings.maxDeferred(),
            limits.maxBytesInFlight());
    var find =
        delivery.opened(
            new FindPublished(
                topics.results(),
                () -> new KafkaConsumer<>(ConsumerProperties.takeovers(limits)),
                delivery.database()));
    var run = new RunRequests("llm", delivery.publish(), delivery.measure());
    var work =
        new LlmRequestHandler.Work(
            answer, new DescribeAnswer(limits.name(), delivery.clock()), publish, find);
    // of both handlers, which are made below
    var pending = new ArrayList<PendingRequests>();
    var cancellations =
        new ObeyCancellations(
            delivery.database(),
            delivery.lease(),
            inFlight,
            delivery.cancellations(),
            cancelled -> end(cancelled, work, run, inFlight, pending));
    var shared =
        new LlmRequestHandler.Shared(
            new ClaimRequests(delivery.database(), delivery.lease()),
            work,
            run,
            targets,
            inFlight,
            cancellations,
            delivery.clock());
    var received =
        new LlmRequestHandler(
            delivery.queue("llm", topics.llmRequests(), RequestChannel.LLM),
            InFlightRequest.Deferral.POSSIBLE,
            limits.maxInFlight(),
            shared);
    pending.add(received.pending());
    delivery.consume(received, received.pending(), run);
    var deferred =
        new LlmRequestHandler(
            delivery.queue("deferred", topics.deferred(), RequestChannel.LLM),
            InFlightRequest.Deferral.DONE,
            settings.maxDeferred(),
            shared);
    pending.add(deferred.pending());
    delivery.consume(deferred, deferred.pending(), run);
    var _ = delivery.opened(new DeferRequests(inFlight, settings.deferAfter(), publish));
    tell(delivery, inFlight);
    delivery
        .measure()
        .waiting()
        .add(told -> {
          tellProviders(providers, told);
          make.tell(told.putObject("models"), delivery.clock().instant());
          inFlight.tell(told);
        });
    return cancellations;
  }

  /// Ends a request that was claimed for nothing else.
  ///
  /// @param pending where it may wait
  private static void end(
      ObeyCancellations.CancelledRequest cancelled,
      LlmRequestHandler.Work work,
      RunRequests run,
      InFlightRequests inFlight,
      List<PendingRequests> pending) {
    long id = cancelled.id();
    run.begin(
        cancelled.key(),
        () -> {
          if (cancelled.attempt() == 1
              || !work.find().isPublished(cancelled.key(), cancelled.requestedByOid())) {
            work.publish().result(work.describe().cancelled(cancelled));
          }
          run.published(cancelled.key());
          pending.forEach(each -> each.finish(id));
          inFlight.endEnding(id);
        });
  }

  /// Whom it can ask, each with its default models for words and for embeddings.
  private static void tellProviders(LlmProviders providers, ObjectNode told) {
    told.put("primary", providers.primary().name());
    var named = told.putObject("providers");
    for (var name : providers.names()) {
      providers
          .find(name)
          .ifPresent(provider ->
              named
                  .putArray(name)
                  .add(provider.defaultModel())
                  .add(provider.defaultEmbeddingModel()));
    }
    providers
        .reranker()
        .ifPresent(reranker ->
            told.put("reranker", reranker.name()).put("reranker_model", reranker.defaultModel()));
  }

  private static void tell(Delivery delivery, InFlightRequests inFlight) {
    var measure = delivery.measure();
    measure.watchRunning(inFlight::count);
    measure.tell("calls", () -> measure.total("pgoffload.llm.calls"));
    measure.tell(
        "rate_limited", () -> measure.total("pgoffload.llm.calls", "outcome", "rate_limited"));
    measure.tell("retries", () -> measure.total("pgoffload.llm.retries"));
    measure.tell("input_tokens", () -> measure.total("pgoffload.llm.tokens", "type", "input"));
    measure.tell("output_tokens", () -> measure.total("pgoffload.llm.tokens", "type", "output"));
  }
}
