package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmErrorCode;

/// Hands the bytes of one reply from the client's threads to the thread that made the call, as they
/// come in. A slow reader slows the vendor down instead of filling the heap.
///
/// A read throws [BrokenExchange] if bytes do not come in time or the connection breaks, and
/// `InterruptedIOException` if the thread is interrupted.
final class ReplyBody extends InputStream implements BodySubscriber<ReplyBody> {
  /// Parts of the body that may wait to be read, of at most 16 kB each.
  private static final int AHEAD = 16;

  private static final Part END = new Part(List.of(), true);

  /// Some bytes, or the end.
  private record Part(List<ByteBuffer> buffers, boolean isEnd) {}

  private final Duration idle;
  private final Duration timeout;
  private final long deadline;
  private final BlockingQueue<Part> arrivals = new LinkedBlockingQueue<>();
  private volatile @Nullable Throwable failure;
  private volatile @Nullable Subscription subscription;
  private volatile boolean cancelled;
  // The reader's own.
  private Iterator<ByteBuffer> part = Collections.emptyIterator();
  private ByteBuffer bytes = ByteBuffer.allocate(0);

  /// @param idle how long the next bytes may take
  /// @param timeout of the whole call, for words
  /// @param deadline of the whole call, on the clock of `System.nanoTime`
  ReplyBody(Duration idle, Duration timeout, long deadline) {
    this.idle = idle;
    this.timeout = timeout;
    this.deadline = deadline;
  }

  @Override
  public int read() throws IOException {
    return awaitBytes() ? bytes.get() & 0xFF : -1;
  }

  @Override
  public int read(byte[] into, int offset, int length) throws IOException {
    if (!awaitBytes()) {
      return -1;
    }
    var count = Math.min(length, bytes.remaining());
    bytes.get(into, offset, count);
    return count;
  }

  /// Waits for bytes to read; false at the end of the body.
  private boolean awaitBytes() throws IOException {
    while (!bytes.hasRemaining()) {
      if (!part.hasNext()) {
        var next = awaitPart();
        if (next.isEnd()) {
          if (failure != null) {
            throw NetworkFailure.classify(failure);
          }
          return false;
        }
        part = next.buffers().iterator();
      } else {
        bytes = part.next();
      }
    }
    return true;
  }

  private Part awaitPart() throws IOException {
    var patience = TimeUnit.NANOSECONDS.convert(idle);
    var left = deadline - System.nanoTime();
    try {
      var next = left <= 0 ? null : next(Math.min(left, patience));
      if (next != null) {
        return next;
      }
    } catch (InterruptedException interrupted) {
      throw new InterruptedIOException("interrupted while a reply was received");
    }
    if (left <= patience) {
      throw timedOut(timeout);
    }
    throw new BrokenExchange(
        LlmErrorCode.RESPONSE_STALLED, "the reply stood still for " + idle.toMillis() + " ms");
  }

  /// The next part, also [#END] again; null if none comes in this time.
  private @Nullable Part next(long nanos) throws InterruptedException {
    var next = arrivals.poll(nanos, TimeUnit.NANOSECONDS);
    if (next != null && next.isEnd()) {
      arrivals.add(next);
    } else if (next != null) {
      Objects.requireNonNull(subscription).request(1);
    }
    return next;
  }

  /// Waits this long for the end of the body, and drops what comes before it.
  void awaitEnd(Duration most) throws InterruptedException {
    var until = System.nanoTime() + TimeUnit.NANOSECONDS.convert(most);
    var next = next(until - System.nanoTime());
    while (next != null && !next.isEnd()) {
      next = next(until - System.nanoTime());
    }
  }

  /// Closes the connection, unless the reply is whole.
  @Override
  public void close() {
    cancelled = true;
    var current = subscription;
    if (current != null) {
      current.cancel();
    }
  }

  /// The headers alone make the reply: the body is read from here.
  @Override
  public CompletionStage<ReplyBody> getBody() {
    return CompletableFuture.completedStage(this);
  }

  @Override
  public void onSubscribe(Subscription newSubscription) {
    subscription = newSubscription;
    if (cancelled) {
      newSubscription.cancel();
    } else {
      newSubscription.request(AHEAD);
    }
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    arrivals.add(new Part(buffers, false));
  }

  @Override
  public void onError(Throwable broken) {
    failure = broken;
    arrivals.add(END);
  }

  @Override
  public void onComplete() {
    arrivals.add(END);
  }

  static BrokenExchange timedOut(Duration timeout) {
    return new BrokenExchange(
        LlmErrorCode.TIMEOUT, "no whole reply within " + timeout.toMillis() + " ms");
  }
}
