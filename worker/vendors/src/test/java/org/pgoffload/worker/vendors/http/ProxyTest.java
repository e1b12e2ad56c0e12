package org.pgoffload.worker.vendors.http;

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
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.AzureOpenAiProvider;
import org.pgoffload.worker.vendors.ConformanceSuite;
import org.pgoffload.worker.vendors.Vendor;
import org.pgoffload.worker.vendors.entra.TokenEndpoint;

class ProxyTest {
  @Test
  void reachesAVendorThroughTheProxy() throws IOException, InterruptedException {
    try (var stub = VendorStub.startWithTls(SelfSigned.CONTEXT);
        var proxy = new TunnellingProxy(stub.url().getPort())) {
      var variables = new ReadEnvironment(Map.of("HTTPS_PROXY", proxy.address()));
      var settings = ReadHttpSettings.from(variables);
      try (var http = new PostJson(settings, InstantSource.system(), SelfSigned.CONTEXT)) {
        var outcome =
            Vendor.OPENAI
                .at("https://vendor.example", http)
                .ask(ConformanceSuite.call("Why?"), PieceListener.NONE);

        assertThat(outcome).isInstanceOf(LlmOutcome.Answered.class);
        assertThat(proxy.asked).containsExactly("CONNECT vendor.example:443 HTTP/1.1");
      }
    }
  }

  @Test
  void reachesEntraIdThroughTheProxy() throws IOException, InterruptedException {
    try (var azure = VendorStub.start();
        var entra = new TokenEndpoint(SelfSigned.CONTEXT);
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
      var http =
          new PostJson(
              ReadHttpSettings.from(variables), InstantSource.system(), SelfSigned.CONTEXT);
      try (var provider = Objects.requireNonNull(AzureOpenAiProvider.from(variables, http))) {
        var outcome = provider.ask(ConformanceSuite.call("Why?"), PieceListener.NONE);

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

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // names, and all below them
        "corp            | http://corp http://LLM.Corp http://a.b.corp.:81 | http://notcorp http://corp.example",
        ".Corp.          | http://corp http://llm.corp http://llm.corp.  | http://notcorp",
        "*.corp          | http://corp http://llm.corp                   | http://notcorp",
        "my_llm          | http://my_llm:8080/v1 http://x.my_llm          | http://my-llm",
        // addresses, in whatever form
        "10.0.0.7        | http://10.0.0.7:11434                         | http://10.0.0.70 http://x.10.0.0.7.example",
        "fd00::1         | http://[fd00::1] http://[FD00:0:0::1]:81       | http://[fd00::2]",
        "[fd00::1]       | http://[fd00::1]:81                           | http://[fd00::2]",
        // networks
        "10.0.0.0/8      | http://10.1.2.3 http://[::ffff:10.9.9.9]      | http://11.0.0.1 http://10.example",
        "192.168.130.0/23| http://192.168.131.1                          | http://192.168.132.1",
        "fd00::/9        | http://[fd7f::1]                              | http://[fd80::1] http://253.0.0.1",
        "[fd00::]/16     | http://[fd00:1::1]                            | http://[fd01::1]",
        "0.0.0.0/0       | http://10.1.2.3                               | http://host http://[fd00::1]",
        // ports
        "host:8080       | http://host:8080 http://a.host:8080           | http://host http://host:80",
        "host:443        | https://host                                  | http://host",
        "[fd00::1]:8080  | http://[fd00::1]:8080                         | http://[fd00::1]",
        "10.0.0.0/8:81   | http://10.1.1.1:81                            | http://10.1.1.1",
        // everything
        "*               | http://host http://[fd00::1] http://10.0.0.1  | ''",
        // lists
        "a, b c,,d       | http://a http://b http://c http://d            | http://e",
        // this machine needs no entry, and has no other names
        "''              | http://127.0.0.1 http://127.9.9.9 http://[::1] http://localhost. http://169.254.169.254"
            + " http://[fe80::1] http://[fe80::1%25eth9]:80 http://0.0.0.0:11434 | http://127.example.com http://169.254.example"
            + " http://localhost.example http://128.0.0.1"
      })
  void reachesDirectlyWhatNoProxyLists(String list, String direct, String proxied) {
    var settings =
        new ReadEnvironment(
            Map.of(
                "HTTPS_PROXY", "http://my_proxy:1",
                "HTTP_PROXY", "my_proxy",
                "NO_PROXY", list));
    var proxies = ReadHttpSettings.from(settings).proxies();

    assertThat(settings.problems()).isEmpty();
    assertThat(direct.split(" ")).allMatch(url -> proxies.proxyOf(URI.create(url)) == null);
    assertThat(proxied.split(" "))
        .allMatch(url ->
            url.isEmpty()
                || proxies.select(URI.create(url)).toString().matches(".*my_proxy.*:(1|1080)]"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://host",
        "10.*",
        "10.",
        "10.0",
        "*corp",
        "a*",
        "10.0.0.0/33",
        "fd00::/129",
        "host/8",
        "10.0.0.0/",
        "fe80::1%eth0",
        "[fd00::1",
        "host:99999",
        "host:",
        "a..b",
        "[host]",
        "256.0.0.1",
        "10.0.0.1-10.0.0.9",
        "<local>"
      })
  void namesTheEntryOfNoProxyThatIsNotUnderstood(String entry) {
    var settings =
        new ReadEnvironment(Map.of("https_proxy", "proxy:1", "no_proxy", "host," + entry));

    ReadHttpSettings.from(settings);

    assertThat(settings.problems())
        .singleElement()
        .asString()
        .startsWith("no_proxy has '" + entry + "', which is not understood");
  }

  @Test
  void doesNotMindNoProxyWithoutAProxyAndShowsNoPassword() {
    var without = new ReadEnvironment(Map.of("NO_PROXY", "10.*"));
    ReadHttpSettings.from(without);
    assertThat(without.problems()).isEmpty();

    var with = new ReadEnvironment(Map.of("HTTP_PROXY", "p:1", "NO_PROXY", "user:secret@host"));
    ReadHttpSettings.from(with);
    assertThat(with.problems())
        .singleElement()
        .asString()
        .contains("an entry with an @")
        .doesNotContain("secret");
  }

  @Test
  void namesTheProxyThatIsUnreachable() throws InterruptedException, IOException {
    int freed;
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      freed = socket.getLocalPort();
    }
    var variables = new ReadEnvironment(Map.of("http_proxy", "http://localhost:" + freed));
    try (var http = new PostJson(ReadHttpSettings.from(variables), InstantSource.system())) {
      assertThat(ConformanceSuite.error(ask("http://vendor.example", http)).message())
          .isEqualTo(
              "openai: no connection to the proxy localhost:"
                  + freed
                  + " of vendor.example:80: connection refused");
      // its address would be looked up here, and the proxy chosen by it
      assertThat(ConformanceSuite.error(ask("http://my_llm", http)).message())
          .contains("my_llm is no name that can be called through a proxy", "NO_PROXY");
    }
  }

  private static LlmOutcome ask(String url, PostJson http) throws InterruptedException {
    return Vendor.OPENAI.at(url, http).ask(ConformanceSuite.call("Why?"), PieceListener.NONE);
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
