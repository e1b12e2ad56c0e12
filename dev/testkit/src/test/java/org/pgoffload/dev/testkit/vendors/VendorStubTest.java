package org.pgoffload.dev.testkit.vendors;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The stub is as strict as the vendors: otherwise conformance to it would prove nothing.
class VendorStubTest {
  private static final String BEARER = "Bearer " + VendorStub.KEY;
  private static final String QUESTION =
      """
      {"model":"m","store":false,"input":[{"role":"user","content":"Why?"}]}\
      """;

  private final VendorStub stub = VendorStub.start();
  private final HttpClient client = HttpClient.newHttpClient();

  @AfterEach
  void close() {
    client.close();
    stub.close();
  }

  @Test
  void answersWhatIsAskedAsDocumented() throws IOException, InterruptedException {
    var reply = post("/v1/responses", QUESTION, "Authorization", BEARER);

    assertThat(reply.statusCode()).isEqualTo(200);
    assertThat(reply.body()).contains("stub answer to: Why?");
  }

  @Test
  void refusesAnUnknownField() throws IOException, InterruptedException {
    var question = QUESTION.replace("\"model\"", "\"stop\":[\".\"],\"model\"");

    var reply = post("/v1/responses", question, "Authorization", BEARER);

    assertThat(reply.statusCode()).isEqualTo(400);
    assertThat(reply.body()).contains("Unknown parameter: 'stop'.");
    assertThat(stub.questions()).isEmpty();
  }

  @Test
  void refusesAFieldOfAnotherType() throws IOException, InterruptedException {
    var question = QUESTION.replace("\"m\"", "\"m\",\"temperature\":\"hot\"");

    assertThat(post("/v1/responses", question, "Authorization", BEARER).statusCode())
        .isEqualTo(400);
  }

  @Test
  void refusesAKeyInAnotherVendorsHeader() throws IOException, InterruptedException {
    assertThat(post("/v1/responses", QUESTION, "api-key", VendorStub.KEY).statusCode())
        .isEqualTo(401);
    assertThat(post("/openai/v1/responses", QUESTION, "Authorization", BEARER).statusCode())
        .isEqualTo(401);
  }

  @Test
  void refusesAnthropicsApiWithoutItsVersion() throws IOException, InterruptedException {
    var reply = post("/v1/messages", "{}", "x-api-key", VendorStub.KEY);

    assertThat(reply.statusCode()).isEqualTo(400);
    assertThat(reply.body()).contains("anthropic-version");
  }

  @Test
  void refusesWhatIsNoJson() throws IOException, InterruptedException {
    assertThat(post("/v1/responses", "{", "Authorization", BEARER).statusCode()).isEqualTo(400);
  }

  @Test
  void knowsNoOtherPath() throws IOException, InterruptedException {
    assertThat(post("/v1/completions", QUESTION, "Authorization", BEARER).statusCode())
        .isEqualTo(404);
  }

  @Test
  void refusesAnImageOfAnotherForm() throws IOException, InterruptedException {
    for (var part :
        List.of(
            "{\"type\":\"image_url\",\"image_url\":\"https://a.example\"}",
            "{\"type\":\"input_image\",\"image_url\":{\"url\":\"https://a.example\"}}",
            "{\"type\":\"input_image\",\"image_url\":\"http://a.example\"}",
            "{\"type\":\"input_image\",\"image_url\":\"data:image/svg+xml;base64,QUJD\"}",
            "{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,Q\"}")) {
      var question = QUESTION.replace("\"Why?\"", "[" + part + "]");

      assertThat(post("/v1/responses", question, "Authorization", BEARER).statusCode())
          .as(part)
          .isEqualTo(400);
    }
  }

  @Test
  void refusesOptionsOfAnotherForm() throws IOException, InterruptedException {
    for (var option :
        List.of(
            "\"reasoning\":{\"effort\":\"huge\"}",
            "\"reasoning\":\"low\"",
            "\"stream\":1",
            "\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}",
            "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"strict\":true,"
                + "\"schema\":{\"properties\":{\"a\":{}}}}}")) {
      var question = QUESTION.replace("\"model\"", option + ",\"model\"");

      assertThat(post("/v1/responses", question, "Authorization", BEARER).statusCode())
          .as(option)
          .isEqualTo(400);
    }
  }

  @Test
  void letsSoManyThroughInASecondThoughThousandsAsk()
      throws InterruptedException, ExecutionException {
    stub.limit(200);
    var begun = System.nanoTime();
    var statuses = new TreeMap<Integer, Integer>();
    Callable<Integer> asking =
        () -> post("/v1/responses", QUESTION, "Authorization", BEARER).statusCode();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (var status : threads.invokeAll(Collections.nCopies(2_000, asking))) {
        statuses.merge(status.get(), 1, Integer::sum);
      }
    }

    var served = stub.served(Duration.ZERO);
    assertThat(served.calls()).isEqualTo(2_000);
    assertThat(statuses).isEqualTo(Map.of(200, 2_000 - served.rejected(), 429, served.rejected()));
    // The bucket is full at the beginning, and fills while the questions come.
    var seconds = (System.nanoTime() - begun) / 1e9;
    assertThat(2_000 - served.rejected()).isBetween(200, 201 + (int) (200 * seconds));
    assertThat(stub.served(Duration.ofHours(1))).isEqualTo(new VendorStub.Served(0, 0));
  }

  @Test
  void tellsWhenToComeAgainAndWhatIsLeft() throws IOException, InterruptedException {
    stub.limit(1);
    var granted = post("/v1/responses", QUESTION, "Authorization", BEARER);
    var refused = post("/v1/responses", QUESTION, "Authorization", BEARER);

    assertThat(granted.headers().firstValue("x-ratelimit-remaining-requests")).contains("0");
    assertThat(refused.statusCode()).isEqualTo(429);
    assertThat(refused.headers().firstValue("Retry-After")).contains("1");
    assertThat(refused.headers().firstValue("x-ratelimit-limit-requests")).contains("1");
  }

  private HttpResponse<String> post(String path, String body, String header, String value)
      throws IOException, InterruptedException {
    var request =
        HttpRequest.newBuilder(URI.create(stub.url() + path))
            .version(HttpClient.Version.HTTP_1_1)
            .header("Content-Type", "application/json")
            .header(header, value)
            .POST(BodyPublishers.ofString(body))
            .build();
    return client.send(request, BodyHandlers.ofString());
  }
}
