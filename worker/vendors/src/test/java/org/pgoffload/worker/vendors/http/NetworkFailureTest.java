package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.NoRouteToHostException;
import java.net.ServerSocket;
import java.net.SocketException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.models.FileDescriptors;
import org.pgoffload.worker.models.LlmErrorCode;

class NetworkFailureTest {

  @Test
  void doesNotBlameTheVendorForTheLackOfADescriptor() {
    // as the JDK's client wraps it
    var failure =
        new ExecutionException(new InternalError(new SocketException("Too many open files")));

    var broken = NetworkFailure.classify(failure, "vendor.example:443");

    assertThat(broken.code()).isEqualTo(LlmErrorCode.TOO_MANY_OPEN_FILES);
    assertThat(broken.words()).contains("the worker has too many open files", "ulimit -n");
  }

  @Test
  void tellsTheLackOfADescriptorFromAHostThatThereIsNot() throws IOException, InterruptedException {
    assumeTrue(Files.isDirectory(Path.of("/proc/self/fd")));
    int freed;
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      freed = socket.getLocalPort();
    }
    var process =
        new ProcessBuilder(
                "/bin/sh",
                "-c",
                "ulimit -n 600; exec \"$@\"",
                "sh",
                ProcessHandle.current().info().command().orElseThrow(),
                "-cp",
                // Surefire starts a JVM from a jar that only refers to the class path
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                AskWithoutDescriptors.class.getName(),
                "http://127.0.0.1:" + freed)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();

    assertThat(process.inputReader().lines())
        .containsExactly(
            "too_many_open_files",
            "too_many_open_files",
            "too_many_open_files",
            "too_many_open_files",
            "openai: no connection to 127.0.0.1:" + freed + ": connection refused");
    assertThat(process.waitFor()).isZero();
  }

  @Test
  void saysWhyThereIsNoConnection() {
    var unreachable = new ConnectException("Network is unreachable");
    assertThat(NetworkFailure.classify(unreachable, "vendor.example:443").words())
        .isEqualTo("no connection to vendor.example:443: Network is unreachable");

    var noRoute =
        new IOException(
            (ConnectException)
                new ConnectException().initCause(new NoRouteToHostException("No route to host")));
    assertThat(NetworkFailure.classify(noRoute, "vendor.example:443").words())
        .isEqualTo("no connection to vendor.example:443: No route to host");
  }

  @Test
  void namesHostAndPortAndNothingElseOfAnAddress() {
    assertThat(NetworkFailure.target(URI.create("https://My_LLM/v1?key=secret"), null))
        .isEqualTo("my_llm:443");
    assertThat(
            NetworkFailure.target(
                URI.create("http://[fd00::1]:81/v1?key=secret"), new HostAndPort("proxy", 3128)))
        .isEqualTo("the proxy proxy:3128 of [fd00::1]:81");
  }

  @Test
  void warnsOfTooFewDescriptors() {
    assertThat(FileDescriptors.tooFewFor(2_000, 65_536)).isEmpty();
    assertThat(FileDescriptors.tooFewFor(2_000, Long.MAX_VALUE)).isEmpty();
    assertThat(FileDescriptors.tooFewFor(2_000, 256).orElseThrow())
        .contains("256", "2300", "ulimit -n", "PGOFFLOAD_MAX_IN_FLIGHT");
    assertThat(FileDescriptors.most()).isPositive();
  }
}
