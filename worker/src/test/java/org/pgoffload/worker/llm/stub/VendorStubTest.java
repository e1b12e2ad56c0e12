package org.pgoffload.worker.llm.stub;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
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
