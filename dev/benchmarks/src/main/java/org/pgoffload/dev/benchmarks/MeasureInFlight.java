package org.pgoffload.dev.benchmarks;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import org.pgoffload.dev.benchmarks.model.SlowModel;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;
import org.pgoffload.dev.benchmarks.report.Figure;
import org.pgoffload.dev.benchmarks.report.Measurement;
import org.pgoffload.dev.benchmarks.report.Measurement.Throughput;
import org.pgoffload.dev.benchmarks.report.Target;

/// How many slow calls one worker has under way, against an HTTP client with nothing around it that
/// makes as many of the same calls at a time.
record MeasureInFlight() implements Measure {
  private static final int AT_A_TIME = 5_000;
  private static final int CALLS = 20_000;

  @Override
  public String name() {
    return "in-flight";
  }

  @Override
  public String what() {
    return CALLS + " calls of 2 s by one worker, " + AT_A_TIME + " at a time";
  }

  @Override
  public Optional<String> hindrance(BenchmarkTarget target) {
    return target.hindranceOfOwn();
  }

  @Override
  public Measurement run(BenchmarkTarget target, BenchmarkPlan plan)
      throws SQLException, InterruptedException {
    var own = Objects.requireNonNull(target.own(), "hindrance() was not asked");
    var latency = Duration.ofSeconds(2);
    // a new JVM compiles its code in as many calls that do not count, of either kind
    callBare(own.model(), latency);
    var bare = Spent.on(target, () -> callBare(own.model(), latency));
    var rates = new ArrayList<Double>();
    own.workers().replace(1, AT_A_TIME);
    InsertedRequests.Answered answered;
    try (var requests = InsertedRequests.open(target)) {
      var columns = SlowModel.columns(latency);
      // The calls to a model begin with a few hundred at a time, and become more with each answer.
      requests.insertAndAwait(SlowModel.TABLE, columns, CALLS, new ArrayList<>());
      answered = requests.measure(target, SlowModel.TABLE, columns, CALLS, rates);
    } finally {
      own.workers().restore();
    }
    var figures = new ArrayList<Figure>();
    var fromCommit = answered.fromCommit();
    figures.add(fromCommit.rate("rate, from the commit of the requests", CALLS));
    figures.add(bare.rate("rate of a bare HTTP client", CALLS));
    figures.add(
        Figure.of("against the bare client", bare.seconds() / fromCommit.seconds(), "x")
            .to(Target.atLeast(0.9)));
    figures.addAll(answered.whole().processorFor("call", CALLS, null));
    figures.addAll(bare.processorFor("bare call", CALLS, null));
    return new Measurement(
        name(),
        what(),
        figures,
        List.of(),
        List.of(new Throughput(name(), InsertedRequests.INTERVAL, rates)));
  }

  private static void callBare(SlowModel model, Duration latency) throws InterruptedException {
    var request =
        HttpRequest.newBuilder(URI.create(model.address()))
            .POST(BodyPublishers.ofString(SlowModel.question(latency)))
            .build();
    var places = new Semaphore(AT_A_TIME);
    var calls = new ArrayList<Future<Integer>>();
    try (var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var threads =
            Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("bench-bare-call-", 0).factory())) {
      for (int i = 0; i < CALLS; i++) {
        places.acquire();
        calls.add(
            threads.submit(() -> {
              try {
                return answer(client, request);
              } finally {
                places.release();
              }
            }));
      }
      for (var call : calls) {
        if (call.get() != 200) {
          throw new BenchmarkException("the slow model replied with " + call.get());
        }
      }
    } catch (ExecutionException e) {
      throw new BenchmarkException("a bare call failed: " + e.getMessage(), e);
    }
  }

  private static int answer(HttpClient client, HttpRequest request)
      throws IOException, InterruptedException {
    return client.send(request, BodyHandlers.ofByteArray()).statusCode();
  }
}
