package org.pgoffload.worker.vendors.http;

import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Hands the bytes of one reply from the client's threads to the thread that made the call, as they
/// come in. A slow reader slows the vendor down instead of filling the heap.
final class ReplyBody implements BodySubscriber<ReplyBody> {
  /// Parts of the body that may wait to be read, of at most 16 kB each.
  private static final int AHEAD = 16;

  private final BlockingQueue<Arrival> arrivals = new LinkedBlockingQueue<>();
  private volatile @Nullable Subscription subscription;
  private volatile boolean cancelled;

  /// What comes in next.
  sealed interface Arrival {
    /// Some bytes, perhaps none.
    @SuppressWarnings("ArrayRecordComponent") // Read once and never compared.
    record Bytes(byte[] bytes) implements Arrival {}

    /// The reply is whole.
    record End() implements Arrival {}

    /// The connection broke.
    record Failure(Throwable cause) implements Arrival {}
  }

  /// Waits for what comes in next; null if nothing does in this time. Not to be asked again after
  /// the end or a failure.
  @Nullable Arrival next(long nanos) throws InterruptedException {
    var arrival = arrivals.poll(nanos, TimeUnit.NANOSECONDS);
    var current = subscription;
    if (arrival instanceof Arrival.Bytes && current != null) {
      current.request(1);
    }
    return arrival;
  }

  /// Closes the connection, unless the reply is whole.
  void cancel() {
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
    var bytes = new byte[buffers.stream().mapToInt(ByteBuffer::remaining).sum()];
    var at = 0;
    for (var buffer : buffers) {
      var length = buffer.remaining();
      buffer.get(bytes, at, length);
      at += length;
    }
    arrivals.add(new Arrival.Bytes(bytes));
  }

  @Override
  public void onError(Throwable failure) {
    arrivals.add(new Arrival.Failure(failure));
  }

  @Override
  public void onComplete() {
    arrivals.add(new Arrival.End());
  }
}
