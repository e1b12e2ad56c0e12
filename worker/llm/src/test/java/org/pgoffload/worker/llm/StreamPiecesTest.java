package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.worker.delivery.TestRequests;

class StreamPiecesTest {
  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
  private final List<LlmPiece> published = Collections.synchronizedList(new ArrayList<>());
  private final StreamPieces pieces =
      new StreamPieces(
          piece -> {
            published.add(piece);
            return CompletableFuture.completedFuture(null);
          },
          timer,
          TestRequests.received(7, () -> {}).envelope(),
          1);

  @AfterEach
  void close() {
    timer.shutdownNow();
  }

  @Test
  void keepsTheHalvesOfACharacterTogether() throws InterruptedException {
    pieces.piece("blue \uD83D");
    pieces.piece("\uDE00 sky");
    pieces.finish();

    assertThat(published).extracting(LlmPiece::text).containsExactly("blue ", "😀 sky");
  }

  @Test
  void publishesHalfACharacterThatStaysOne() throws InterruptedException {
    pieces.piece("\uD83D");
    pieces.finish();

    assertThat(published).extracting(LlmPiece::text).containsExactly("\uFFFD");
  }
}
