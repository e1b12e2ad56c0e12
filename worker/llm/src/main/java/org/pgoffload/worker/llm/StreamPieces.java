package org.pgoffload.worker.llm;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.RequestKey;
import org.pgoffload.worker.models.PieceListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Publishes the pieces of one request's answer while the model writes it: the first at once, the
/// others gathered over some tens of milliseconds, since a model writes a word at a time.
///
/// Safe to share between threads.
final class StreamPieces implements PieceListener {
  private static final Logger LOG = LoggerFactory.getLogger(StreamPieces.class);

  private static final Duration GATHER = Duration.ofMillis(50);
  private static final int MOST_CHARACTERS = 16_000;

  private final Function<LlmPiece, Future<?>> publish;
  private final ScheduledExecutorService timer;
  private final RequestKey request;
  private final long requestedByOid;
  private final int attempt;

  // guarded by this
  private final StringBuilder gathered = new StringBuilder();
  private final List<Future<?>> sent = new ArrayList<>();
  private long seq;
  private long lastSent = System.nanoTime() - GATHER.toNanos();
  private boolean scheduled;
  private boolean reset;
  private boolean finished;

  /// @param publish begins to publish a piece
  /// @param timer for when to publish pieces that were gathered
  StreamPieces(
      Function<LlmPiece, Future<?>> publish,
      ScheduledExecutorService timer,
      Envelope request,
      int attempt) {
    this.publish = publish;
    this.timer = timer;
    this.request = request.key();
    this.requestedByOid = request.requestedBy().userOid();
    this.attempt = attempt;
    this.seq = LlmPiece.seqBefore(attempt);
    // what an earlier attempt has published is void
    this.reset = attempt > 1;
  }

  /// A call begins: what an earlier one has given is void.
  synchronized void begin() {
    gathered.setLength(0);
    reset |= seq > LlmPiece.seqBefore(attempt);
  }

  @Override
  public synchronized void piece(String text) {
    gathered.append(text);
    long wait = lastSent + GATHER.toNanos() - System.nanoTime();
    if (wait <= 0 || gathered.length() >= MOST_CHARACTERS) {
      send();
    } else if (!scheduled) {
      scheduled = true;
      var _ = timer.schedule(this::sendLater, wait, TimeUnit.NANOSECONDS);
    }
  }

  private synchronized void sendLater() {
    scheduled = false;
    if (!finished) {
      send();
    }
  }

  private void send() {
    // half of a character waits for its other half, which a vendor may write in its next event
    int last = gathered.length() - 1;
    send(last >= 0 && Character.isHighSurrogate(gathered.charAt(last)) ? last : last + 1);
  }

  private void send(int characters) {
    if (characters == 0) {
      return;
    }
    seq++;
    sent.add(
        publish.apply(
            new LlmPiece(
                LlmPiece.VERSION,
                request.id(),
                requestedByOid,
                attempt,
                seq,
                reset,
                gathered.substring(0, characters),
                request.nonce())));
    reset = false;
    gathered.delete(0, characters);
    lastSent = System.nanoTime();
    if (sent.size() > 100) {
      sent.removeIf(each -> each.state() == Future.State.SUCCESS);
    }
  }

  /// Publishes the rest and waits for all of it: a result must not be known before its pieces.
  ///
  /// @return the number of the last piece
  long finish() throws InterruptedException {
    List<Future<?>> all;
    long last;
    synchronized (this) {
      send(gathered.length());
      finished = true;
      all = List.copyOf(sent);
      last = seq;
    }
    for (var each : all) {
      try {
        each.get();
      } catch (ExecutionException e) {
        // a reader of the stream gets the rest from the answer
        LOG.warn(
            "A piece of the answer to request {} was not published: {}",
            request.id(),
            e.getCause());
      }
    }
    return last;
  }
}
