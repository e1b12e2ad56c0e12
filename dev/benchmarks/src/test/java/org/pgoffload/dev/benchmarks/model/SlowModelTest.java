package org.pgoffload.dev.benchmarks.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

class SlowModelTest {
  @Test
  void answersOnceItIsToldTo() throws Exception {
    try (var model = SlowModel.start();
        var client = HttpClient.newHttpClient()) {
      var address = model.environment().get("OPENAI_BASE_URL") + "/chat/completions";
      var request =
          HttpRequest.newBuilder(URI.create(address)).POST(BodyPublishers.ofString("{}")).build();
      var reply = client.sendAsync(request, BodyHandlers.ofString());
      model.awaitCalls(1, Duration.ofSeconds(30));
      assertThat(reply).isNotDone();

      model.answer();

      assertThat(reply.get(30, TimeUnit.SECONDS).body()).contains("late");
      assertThatThrownBy(() -> model.awaitCalls(1, Duration.ofMillis(1)))
          .isInstanceOf(BenchmarkException.class)
          .hasMessage("of 1 calls to the slow model, 0 came");

      model.hold();
      var next = client.sendAsync(request, BodyHandlers.ofString());
      model.awaitCalls(1, Duration.ofSeconds(30));
      assertThat(next).isNotDone();

      model.answer();
      assertThat(next.get(30, TimeUnit.SECONDS).body()).contains("late");
    }
  }
}
