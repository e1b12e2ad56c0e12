package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
final class AwaitedQueueTest {
  private static final Duration LONG = Duration.ofHours(1);

  private final AwaitedQueue<String> queue = new AwaitedQueue<>();

  @Test
  void waitsForTheFirstRecord() throws InterruptedException {
    var enqueued = CompletableFuture.runAsync(() -> queue.enqueue("a record"));
    queue.await(LONG);
    enqueued.join();
    assertThat(queue.size()).isOne();
    queue.await(LONG);
    assertThat(queue.poll()).isEqualTo("a record");
  }

  @Test
  void waitsNoLongerThanItIsTold() throws InterruptedException {
    queue.await(Duration.ofMillis(1));
    assertThat(queue.poll()).isNull();
  }
}
