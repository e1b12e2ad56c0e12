package org.pgoffload.console.web;

import io.javalin.http.Context;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.pgoffload.console.database.BusyException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The streams of events that are open. A stream ends with its page, with its reader's session, and
/// with the console.
///
/// Safe to share between threads.
final class StreamEvents implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StreamEvents.class);
  private static final int MOST = 100;

  /// One role cannot take them all.
  private static final int MOST_OF_A_ROLE = 20;

  private final AtomicInteger open = new AtomicInteger();
  private final Map<String, Integer> ofRoles = new ConcurrentHashMap<>();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Render render;

  StreamEvents(Render render) {
    this.render = render;
  }

  /// Tells the page until nobody reads any more, in the thread of its request: what goes on after
  /// the request would find it taken back by the server.
  void open(Context context, Visit visit, Routes.Tell tell) throws IOException {
    int ofTheRole = ofRoles.merge(visit.role(), 1, Integer::sum);
    try {
      if (open.incrementAndGet() > MOST || ofTheRole > MOST_OF_A_ROLE) {
        throw new Problem(
            503,
            "53300",
            "Too many pages are being told of changes.",
            "Load the page again later.");
      }
      context.contentType("text/event-stream; charset=utf-8");
      // a proxy would hold events back
      context.header("X-Accel-Buffering", "no");
      // not the stream that Javalin puts around it, which has no flush: events would wait until
      // there are many, and a page that has gone would be told for as long
      var stream = context.res().getOutputStream();
      send(stream, ":\n\n");
      tell(visit, tell, stream);
    } catch (UncheckedIOException e) {
      LOG.debug("A stream of events ends: its page has gone");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      open.decrementAndGet();
      ofRoles.computeIfPresent(visit.role(), (_, count) -> count == 1 ? null : count - 1);
    }
  }

  /// Ends with the first fault, which the page is told; the browser comes again by itself.
  private void tell(Visit visit, Routes.Tell tell, OutputStream stream)
      throws InterruptedException {
    try {
      tell.tell(visit, events(stream, visit));
    } catch (SQLException | BusyException e) {
      var problem = ProblemOf.fault(e);
      LOG.debug("A stream of events ends: {}", problem.code());
      send(stream, event("problem", problem.words() + " " + problem.hint()));
    }
  }

  private static String event(String name, String data) {
    var event = new StringBuilder("event: ").append(name).append('\n');
    data.lines().forEach(line -> event.append("data: ").append(line).append('\n'));
    return event.append('\n').toString();
  }

  private static void send(OutputStream stream, String text) {
    try {
      stream.write(text.getBytes(StandardCharsets.UTF_8));
      stream.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Events events(OutputStream stream, Visit visit) {
    return new Events() {
      @Override
      public void show(String name, View view) {
        send(stream, event(name, render.part(view)));
      }

      @Override
      public void pause(Duration length) throws InterruptedException {
        var _ = closing.await(length.toMillis(), TimeUnit.MILLISECONDS);
        // a page that has gone is noticed by what is sent to it
        send(stream, ":\n\n");
      }

      @Override
      public boolean ended() {
        return closing.getCount() == 0 || visit.session().hasEnded();
      }
    };
  }

  @Override
  public void close() {
    closing.countDown();
  }
}
