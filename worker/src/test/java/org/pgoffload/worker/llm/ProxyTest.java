package org.pgoffload.worker.llm;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Proxy;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.worker.llm.stub.VendorStub;

class ProxyTest {
  private static @Nullable SSLContext tls;

  @BeforeAll
  static void makeCertificate(@TempDir Path directory)
      throws IOException, InterruptedException, GeneralSecurityException {
    tls = SelfSigned.context(directory);
  }

  @AfterAll
  static void forgetCertificate() {
    tls = null;
  }

  @Test
  void reachesAVendorThroughTheProxy() throws IOException, InterruptedException {
    try (var stub = VendorStub.startWithTls(Objects.requireNonNull(tls));
        var proxy = new TunnellingProxy(stub.url().getPort())) {
      var variables = new ReadEnvironment(Map.of("HTTPS_PROXY", proxy.address()));
      var settings = ReadHttpSettings.from(variables);
      try (var http = new PostJson(settings, InstantSource.system(), tls)) {
        var outcome =
            Vendor.OPENAI
                .at("https://vendor.example", http)
                .ask(
                    new LlmCall(
                        1,
                        null,
                        null,
                        List.of(Turn.user("Why?")),
                        LlmOptions.DEFAULTS,
                        false,
                        Duration.ofSeconds(30)),
                    PieceListener.NONE);

        assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
        assertThat(proxy.asked).containsExactly("CONNECT vendor.example:443 HTTP/1.1");
      }
    }
  }

  @Test
  void reachesEntraIdThroughTheProxy() throws IOException, InterruptedException {
    try (var azure = VendorStub.start();
        var entra = new TokenEndpoint(Objects.requireNonNull(tls));
        var proxy = new TunnellingProxy(entra.url().getPort())) {
      var variables =
          new ReadEnvironment(
              Map.of(
                  "HTTPS_PROXY", proxy.address(),
                  "AZURE_OPENAI_ENDPOINT", azure.url().toString(),
                  "AZURE_OPENAI_DEPLOYMENT", "model-1",
                  "AZURE_AUTHORITY_HOST", "https://vendor.example",
                  "AZURE_TENANT_ID", TokenEndpoint.TENANT,
                  "AZURE_CLIENT_ID", "client-1",
                  "AZURE_CLIENT_SECRET", "secret-1",
                  "AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"));
      var http = new PostJson(ReadHttpSettings.from(variables), InstantSource.system(), tls);
      try (var provider = Objects.requireNonNull(AzureOpenAiProvider.from(variables, http))) {
        var outcome =
            provider.ask(
                new LlmCall(
                    1,
                    null,
                    null,
                    List.of(Turn.user("Why?")),
                    LlmOptions.DEFAULTS,
                    false,
                    Duration.ofSeconds(30)),
                PieceListener.NONE);

        assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
        assertThat(proxy.asked).containsExactly("CONNECT vendor.example:443 HTTP/1.1");
      }
    }
  }

  @Test
  void choosesTheProxyBySchemeAndHost() {
    var proxies =
        ReadHttpSettings.from(
                new ReadEnvironment(
                    Map.of(
                        "https_proxy", "secure.proxy:3128",
                        "HTTPS_PROXY", "http://ignored.proxy:1",
                        "HTTP_PROXY", "http://plain.proxy:8080",
                        "NO_PROXY", "internal.example, .corp.example,10.0.0.7")))
            .proxies();

    assertThat(proxies.select(URI.create("https://api.openai.com/v1")).toString())
        .contains("secure.proxy");
    assertThat(proxies.select(URI.create("http://ollama.example/v1")).toString())
        .contains("plain.proxy");
    for (var direct :
        List.of(
            "https://internal.example",
            "https://llm.internal.example:8443",
            "https://llm.CORP.example",
            "http://10.0.0.7:11434",
            "http://localhost:11434",
            "http://127.0.0.1:11434",
            "http://169.254.169.254/metadata",
            "http://[::1]:11434")) {
      assertThat(proxies.select(URI.create(direct))).as(direct).containsExactly(Proxy.NO_PROXY);
    }
    assertThat(proxies.select(URI.create("https://notinternal.example")).toString())
        .contains("secure.proxy");
  }

  /// Tunnels every CONNECT to one port of this machine.
  private static final class TunnellingProxy implements AutoCloseable {
    private final BlockingQueue<String> asked = new LinkedBlockingQueue<>();
    private final ServerSocket server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
    private final int target;

    private TunnellingProxy(int target) throws IOException {
      this.target = target;
      Thread.ofVirtual().start(this::serveOne);
    }

    String address() {
      return "http://localhost:" + server.getLocalPort();
    }

    private void serveOne() {
      try (var client = server.accept();
          var vendor = new Socket(InetAddress.getLoopbackAddress(), target)) {
        var lines = new BufferedReader(new InputStreamReader(client.getInputStream(), ISO_8859_1));
        asked.add(lines.readLine());
        while (!lines.readLine().isEmpty()) {
          // The other headers do not matter.
        }
        client.getOutputStream().write("HTTP/1.1 200 Tunnel\r\n\r\n".getBytes(ISO_8859_1));
        var upward = Thread.ofVirtual().start(() -> pump(client, vendor));
        pump(vendor, client);
        upward.interrupt();
      } catch (IOException closed) {
        // The test is over.
      }
    }

    private static void pump(Socket from, Socket to) {
      try {
        from.getInputStream().transferTo(to.getOutputStream());
      } catch (IOException closed) {
        // The test is over.
      }
    }

    @Override
    public void close() throws IOException {
      server.close();
    }
  }
}
