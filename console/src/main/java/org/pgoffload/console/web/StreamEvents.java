package org.pgoffload.console.web;

import io.javalin.http.Context;
import io.javalin.http.sse.SseClient;
import io.javalin.http.sse.SseHandler;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The streams of events that are open. A stream ends with its page, with its reader's session, and
/// with the console.
///
/// Safe to share between threads.
final class StreamEvents implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StreamEvents.class);
  private static final int MOST = 100;

  private final AtomicInteger open = new AtomicInteger();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Render render;

  StreamEvents(Render render) {
    this.render = render;
  }

  /// Tells the page until nobody reads any more. Returns at once.
  void open(Context context, Visit visit, Routes.Tell tell) {
    if (open.get() >= MOST) {
      throw new Problem(
          503, "53300", "Too many pages are being told of changes.", "Load the page again later.");
    }
    new SseHandler(0, client -> tell(client, visit, tell)).handle(context);
  }

  private void tell(SseClient client, Visit visit, Routes.Tell tell) {
    open.incrementAndGet();
    try (client) {
      tell.tell(visit, events(client, visit));
    } catch (SQLException e) {
      // the browser comes again by itself
      LOG.debug("A stream of events ends: SQLSTATE {}", e.getSQLState());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      open.decrementAndGet();
    }
  }

  private Events events(SseClient client, Visit visit) {
    return new Events() {
      @Override
      public void show(String name, View view) {
        client.sendEvent(name, render.part(view));
      }

      @Override
      public void pause(Duration length) throws InterruptedException {
        var _ = closing.await(length.toMillis(), TimeUnit.MILLISECONDS);
      }

      @Override
      public boolean ended() {
        return closing.getCount() == 0 || client.terminated() || visit.session().hasEnded();
      }
    };
  }

  @Override
  public void close() {
    closing.countDown();
  }
}
