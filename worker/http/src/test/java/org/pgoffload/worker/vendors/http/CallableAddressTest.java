package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CallableAddressTest {
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  @AfterEach
  void close() {
    threads.shutdownNow();
  }

  @Test
  void callsANameWithAnUnderscoreByItsAddressAndTellsItsName() throws Exception {
    assertThat(of("http://my_llm:8080/v1/chat?api-version=1", "172.18.0.3"))
        .isEqualTo(
            new CallableAddress(
                URI.create("http://172.18.0.3:8080/v1/chat?api-version=1"), "my_llm:8080"));
    assertThat(of("http://My_LLM/v1", "fd00::3"))
        .isEqualTo(new CallableAddress(URI.create("http://[fd00:0:0:0:0:0:0:3]:80/v1"), "my_llm"));
  }

  @Test
  void leavesEveryOtherNameToTheClient() throws Exception {
    var uri = URI.create("http://my-llm.example:8080/v1");

    assertThat(CallableAddress.of(uri, null, name -> fail(), threads, Duration.ofSeconds(30)))
        .isEqualTo(new CallableAddress(uri, null));
  }

  @Test
  void waitsForANameNoLongerThanItMay() {
    assertThatThrownBy(() ->
            CallableAddress.of(
                URI.create("http://my_llm/v1"),
                null,
                name -> {
                  Thread.sleep(Duration.ofMinutes(5));
                  return fail();
                },
                threads,
                Duration.ofMillis(20)))
        .isInstanceOf(BrokenExchange.class)
        .hasMessage("no connection to my_llm:80: its name was not found within 20 ms");
  }

  private CallableAddress of(String uri, String address) throws Exception {
    return CallableAddress.of(
        URI.create(uri),
        null,
        name -> {
          assertThat(name).isEqualTo("my_llm");
          return InetAddress.ofLiteral(address);
        },
        threads,
        Duration.ofSeconds(30));
  }

  private static InetAddress fail() throws UnknownHostException {
    throw new UnknownHostException("nothing is to be looked up");
  }
}
