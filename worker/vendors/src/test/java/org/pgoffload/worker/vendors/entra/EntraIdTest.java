package org.pgoffload.worker.vendors.entra;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.worker.vendors.ConformanceSuite.call;
import static org.pgoffload.worker.vendors.ConformanceSuite.error;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.AzureOpenAiProvider;
import org.pgoffload.worker.vendors.http.EnvironmentProxies;
import org.pgoffload.worker.vendors.http.HttpSettings;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;
import org.pgoffload.worker.vendors.http.SelfSigned;
import org.slf4j.LoggerFactory;

/// Azure OpenAI by Entra ID, with Azure Identity itself, over real HTTPS.
class EntraIdTest {
  private static final String SECRET = "8Q8~stub-client-secret-0123456789";
  private static final String REFUSAL =
      """
      {"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided:\
       %s. Trace ID: 1","error_codes":[7000215]}\
      """
          .formatted(SECRET);

  private static final List<Logger> LOGGERS =
      Stream.of("com.azure", "com.microsoft", "reactor", SharedToken.class.getName())
          .map(name -> (Logger) LoggerFactory.getLogger(name))
          .toList();

  @TempDir private static Path directory;

  private final VendorStub azure = VendorStub.start();
  private final TokenEndpoint entra;
  private volatile Duration ahead = Duration.ZERO;
  private final PostJson http = http(Duration.ofSeconds(10));
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();

  EntraIdTest() throws IOException {
    entra = new TokenEndpoint(SelfSigned.CONTEXT);
  }

  @BeforeEach
  void listen() {
    log.start();
    for (var logger : LOGGERS) {
      logger.setLevel(Level.TRACE);
      logger.setAdditive(false);
      logger.addAppender(log);
    }
  }

  @AfterEach
  void close() {
    for (var logger : LOGGERS) {
      logger.detachAppender(log);
      logger.setAdditive(true);
      logger.setLevel(Level.OFF);
    }
    http.close();
    entra.close();
    azure.close();
  }

  @Test
  void asksWithATokenThatItHasForItsSecret() throws InterruptedException {
    try (var provider = provider(Map.of())) {
      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
    }

    assertThat(entra.questions()).hasSize(1);
    assertThat(entra.questions().getFirst())
        .containsEntry("path", "/" + TokenEndpoint.TENANT + "/oauth2/v2.0/token")
        .containsEntry("grant_type", "client_credentials")
        .hasEntrySatisfying(
            "scope", scope -> assertThat(scope).startsWith("https://ai.azure.com/.default"))
        .containsEntry("client_id", "client-1")
        .containsEntry("client_secret", SECRET);
  }

  @Test
  void asksForTheScopeThatIsSet() throws InterruptedException {
    var scope = "https://cognitiveservices.azure.us/.default";
    try (var provider = provider(Map.of("AZURE_OPENAI_SCOPE", scope))) {
      ask(provider);
    }

    assertThat(entra.questions().getFirst())
        .hasEntrySatisfying("scope", asked -> assertThat(asked).startsWith(scope));
  }

  @Test
  void asksWithATokenThatItHasForAnotherOnesToken() throws InterruptedException, IOException {
    var file = Files.writeString(directory.resolve("token"), "assertion-of-the-cluster");
    var workload =
        Map.of(
            "AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential",
            "AZURE_CLIENT_SECRET", "",
            "AZURE_FEDERATED_TOKEN_FILE", file.toString());
    try (var provider = provider(workload)) {
      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
    }

    assertThat(entra.questions().getFirst())
        .containsEntry("client_assertion", "assertion-of-the-cluster");
  }

  @Test
  void asksWithATokenThatItHasForItsCertificate() throws InterruptedException {
    var certificate =
        Map.of(
            "AZURE_CLIENT_SECRET",
            "",
            "AZURE_CLIENT_CERTIFICATE_PATH",
            SelfSigned.FILE.toString(),
            "AZURE_CLIENT_CERTIFICATE_PASSWORD",
            SelfSigned.PASSWORD);
    try (var provider = provider(certificate)) {
      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
    }

    assertThat(entra.questions().getFirst())
        .containsEntry(
            "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  }

  @Test
  void asksForOneTokenUnderLoad() throws Exception {
    try (var provider = provider(Map.of());
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var calls = new ArrayList<Future<LlmOutcome>>();
      for (var i = 0; i < 100; i++) {
        calls.add(threads.submit(() -> ask(provider)));
      }
      for (var call : calls) {
        assertThat(call.get()).isInstanceOf(LlmOutcome.Answered.class);
      }
    }
    assertThat(entra.questions()).hasSize(1);
    assertThat(azure.questions()).hasSize(100);
  }

  @Test
  void renewsTheTokenAheadOfItsEndWhileCallsGoOn() throws InterruptedException {
    // So short that Azure Identity never takes the one that it has.
    entra.replies(new TokenEndpoint.Reply.Token(200));
    try (var provider = provider(Map.of())) {
      ask(provider);
      ahead = Duration.ofSeconds(150);

      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
      await().until(() -> entra.questions().size() == 2);
      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
    }
  }

  @Test
  void callsGoOnWithTheTokenThatThereIsWhenTheEndpointFails() throws InterruptedException {
    entra.replies(new TokenEndpoint.Reply.Token(200));
    try (var provider = provider(Map.of())) {
      ask(provider);
      entra.replies(new TokenEndpoint.Reply.Answer(500, "{\"error\":\"server_error\"}"));
      ahead = Duration.ofSeconds(150);

      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
      await().until(() -> entra.questions().size() == 2);
      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);

      ahead = Duration.ofSeconds(250);
      await()
          .untilAsserted(
              () -> assertThat(error(ask(provider)).code()).isEqualTo(LlmErrorCode.PROVIDER_ERROR));
    }
  }

  @Test
  void callsFailForATimeWhenTheEndpointDoes() throws InterruptedException {
    entra.replies(new TokenEndpoint.Reply.Answer(500, "{\"error\":\"server_error\"}"));
    try (var provider = provider(Map.of())) {
      var error = error(ask(provider));

      assertThat(error.message()).contains("Entra ID answered:", "500");
      assertThat(error.code()).isEqualTo(LlmErrorCode.PROVIDER_ERROR);
      assertThat(entra.questions()).as("nothing is retried below").hasSize(1);

      entra.replies(new TokenEndpoint.Reply.Token(3_600));
      ahead = SharedToken.PAUSE_AFTER_FAILURE;
      assertThat(ask(provider)).isInstanceOf(LlmOutcome.Answered.class);
    }
  }

  @Test
  void callsFailForATimeWhenTheEndpointHangs() throws InterruptedException {
    entra.replies(new TokenEndpoint.Reply.Silence());
    try (var impatient = http(Duration.ofMillis(200));
        var provider = provider(Map.of(), impatient)) {
      assertThat(error(ask(provider)).code().retryable()).isTrue();
    }
  }

  @Test
  void callsFailForATimeWhenTheEndpointCannotBeReached() throws InterruptedException, IOException {
    int freed;
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      freed = socket.getLocalPort();
    }
    try (var provider = provider(Map.of("AZURE_AUTHORITY_HOST", "https://localhost:" + freed))) {
      var error = error(ask(provider));

      assertThat(error.code()).isEqualTo(LlmErrorCode.PROVIDER_UNREACHABLE);
      assertThat(error.message()).contains("the token endpoint of Entra ID");
    }
  }

  @Test
  void callsFailForGoodWhenTheSecretIsWrong() throws InterruptedException {
    entra.replies(new TokenEndpoint.Reply.Answer(401, REFUSAL));
    try (var provider = provider(Map.of())) {
      var error = error(ask(provider));

      assertThat(error.code()).isEqualTo(LlmErrorCode.AUTHENTICATION_FAILED);
      assertThat(error.message())
          .contains("Entra ID answered:", "AADSTS7000215", "[redacted]")
          .doesNotContain(SECRET);
      assertThat(error.retryable()).isFalse();
    }
  }

  @Test
  void callsFailForGoodWhenNothingSaysWhoThisIs() throws InterruptedException {
    try (var provider = provider(Map.of("AZURE_CLIENT_SECRET", ""))) {
      var error = error(ask(provider));

      assertThat(error.code()).isEqualTo(LlmErrorCode.AUTHENTICATION_FAILED);
      assertThat(error.message()).contains("set AZURE_OPENAI_API_KEY");
    }
  }

  @Test
  void refusesACertificateThatIsNotTrusted() throws InterruptedException {
    try (var strict = new PostJson(HttpSettings.defaults(), () -> Instant.now().plus(ahead));
        var provider = provider(Map.of(), strict)) {
      assertThat(error(ask(provider)).code()).isEqualTo(LlmErrorCode.TLS_FAILURE);
      assertThat(entra.questions()).isEmpty();
    }
  }

  @Test
  void reportsSettingsThatCannotBeUsed() {
    var variables =
        new ReadEnvironment(
            environment(
                Map.of(
                    "AZURE_TENANT_ID", "not a tenant",
                    "AZURE_AUTHORITY_HOST", "http://plain.example")));

    assertThat(AzureOpenAiProvider.from(variables, http)).isNull();
    assertThat(variables.problems())
        .containsExactly(
            "the settings of Entra ID cannot be used: check AZURE_TENANT_ID, AZURE_AUTHORITY_HOST"
                + " (https://…) and AZURE_TOKEN_CREDENTIALS");
  }

  @Test
  void noLogAndNoTextFormShowsASecretOrAToken() throws InterruptedException {
    try (var provider = provider(Map.of())) {
      ask(provider);
      assertThat(provider.toString()).doesNotContain(SECRET, VendorStub.TOKEN);
    }
    for (var reply :
        List.of(
            new TokenEndpoint.Reply.Answer(401, REFUSAL),
            new TokenEndpoint.Reply.Answer(500, "{\"error\":\"server_error\"}"),
            new TokenEndpoint.Reply.Answer(200, "<html>"))) {
      entra.replies(reply);
      try (var provider = provider(Map.of())) {
        error(ask(provider));
      }
    }

    assertThat(logged())
        .contains("ClientSecretCredential")
        .doesNotContain(VendorStub.TOKEN, SECRET);
  }

  private String logged() {
    return log.list.stream()
        .map(event ->
            event.getFormattedMessage()
                + (event.getThrowableProxy() == null
                    ? ""
                    : ThrowableProxyUtil.asString(event.getThrowableProxy())))
        .collect(Collectors.joining("\n"));
  }

  private PostJson http(Duration idle) {
    return new PostJson(
        new HttpSettings(Duration.ofSeconds(5), idle, 200_000, EnvironmentProxies.NONE),
        () -> Instant.now().plus(ahead),
        SelfSigned.CONTEXT);
  }

  private LlmProvider provider(Map<String, String> others) {
    return provider(others, http);
  }

  private LlmProvider provider(Map<String, String> others, PostJson network) {
    var variables = new ReadEnvironment(environment(others));
    var provider = AzureOpenAiProvider.from(variables, network);
    assertThat(variables.problems()).isEmpty();
    return Objects.requireNonNull(provider);
  }

  private Map<String, String> environment(Map<String, String> others) {
    var environment = new HashMap<String, String>();
    environment.put("AZURE_OPENAI_ENDPOINT", azure.url().toString());
    environment.put("AZURE_OPENAI_DEPLOYMENT", "model-1");
    environment.put("AZURE_AUTHORITY_HOST", entra.url().toString());
    environment.put("AZURE_TENANT_ID", TokenEndpoint.TENANT);
    environment.put("AZURE_CLIENT_ID", "client-1");
    environment.put("AZURE_CLIENT_SECRET", SECRET);
    // The others would look around on this machine and its link.
    environment.put("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
    environment.putAll(others);
    return environment;
  }

  private static LlmOutcome ask(LlmProvider provider) throws InterruptedException {
    return provider.ask(call("Why?", Duration.ofSeconds(20)), PieceListener.NONE);
  }
}
