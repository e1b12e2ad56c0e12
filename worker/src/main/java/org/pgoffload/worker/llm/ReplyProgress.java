package org.pgoffload.worker.llm;

import java.io.ByteArrayOutputStream;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import org.jspecify.annotations.Nullable;

/// Collects the body of one reply up to a limit, and tells when its last bytes came in. The client
/// writes on its own threads, one at a time; the thread that made the call reads the times.
final class ReplyProgress implements BodyHandler<byte[]>, BodySubscriber<byte[]> {
  private final int limit;
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final CompletableFuture<byte[]> body = new CompletableFuture<>();
  private @Nullable Subscription subscription;
  private volatile boolean begun;
  private volatile long lastBytesAt;

  ReplyProgress(int limit) {
    this.limit = limit;
  }

  /// Whether the headers are in.
  boolean hasBegun() {
    return begun;
  }

  /// When the headers or the last bytes of the body came in, on the clock of `System.nanoTime`.
  long lastBytesAt() {
    return lastBytesAt;
  }

  @Override
  public BodySubscriber<byte[]> apply(HttpResponse.ResponseInfo headers) {
    lastBytesAt = System.nanoTime();
    begun = true;
    return this;
  }

  @Override
  public CompletionStage<byte[]> getBody() {
    return body;
  }

  @Override
  public void onSubscribe(Subscription newSubscription) {
    subscription = newSubscription;
    newSubscription.request(Long.MAX_VALUE);
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    lastBytesAt = System.nanoTime();
    for (var buffer : buffers) {
      if (buffer.remaining() > limit - bytes.size()) {
        var current = subscription;
        if (current != null) {
          current.cancel();
        }
        body.completeExceptionally(new ReplyTooLarge(limit));
        return;
      }
      var chunk = new byte[buffer.remaining()];
      buffer.get(chunk);
      bytes.writeBytes(chunk);
    }
  }

  @Override
  public void onError(Throwable failure) {
    body.completeExceptionally(failure);
  }

  @Override
  public void onComplete() {
    body.complete(bytes.toByteArray());
  }

  /// The reply has more bytes than the limit.
  static final class ReplyTooLarge extends Exception {
    ReplyTooLarge(int limit) {
      super("the reply is larger than " + limit + " bytes");
    }
  }
}
