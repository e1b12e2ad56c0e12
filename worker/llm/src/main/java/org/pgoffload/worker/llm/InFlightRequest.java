package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.lease.ClaimFence;
import org.pgoffload.worker.llm.calls.CallProgress;
import org.pgoffload.worker.llm.calls.RecordCalls;
import org.pgoffload.worker.models.ModelTarget;

/// A claimed LLM request while this worker sees to it: waiting for its turn or its next try, or in
/// the middle of a call.
///
/// Safe to share between threads.
final class InFlightRequest implements CallProgress {
  private final ConsumedRequest request;
  private final PendingRequests receivedIn;
  private final Deferral deferral;
  private final InstantSource clock;
  private final ClaimFence.FencedClaim claim;
  private final long begunAt = System.nanoTime();
  private final RecordCalls calls;
  private @Nullable Whom lastAsked;
  private final List<Follower> followers = new ArrayList<>();
  private @Nullable AtomicInteger allAhead;
  private boolean ahead;
  private boolean forgotten;
  private @Nullable Thread thread;
  private @Nullable Instant waitsUntil;
  private @Nullable Activity activity;
  private boolean deferring;
  private boolean cancelled;
  private boolean settled;
  private boolean ended;
  private boolean left;

  /// Whether a request's record may be finished before the request is, because it is handed over to
  /// the topic of deferred ones.
  enum Deferral {
    POSSIBLE,
    /// Its record is in that topic.
    DONE
  }

  private record Follower(Runnable whenEnded, Runnable whenLeft) {}

  /// The provider and model that were asked.
  ///
  /// @param model as it was asked for, or as the vendor named it
  record Whom(String provider, String model) {}

  /// @param receivedIn where its record counts as unfinished
  /// @param calls which another worker has made before
  /// @param clock the database's
  /// @param claim is confirmed before each call
  InFlightRequest(
      ConsumedRequest request,
      PendingRequests receivedIn,
      Deferral deferral,
      List<Call> calls,
      InstantSource clock,
      ClaimFence.FencedClaim claim) {
    this.request = request;
    this.receivedIn = receivedIn;
    this.deferral = deferral;
    this.calls = new RecordCalls(calls);
    if (!calls.isEmpty()) {
      lastAsked = whom(calls.getLast());
    }
    this.clock = clock;
    this.claim = claim;
  }

  ConsumedRequest request() {
    return request;
  }

  long id() {
    return request.id();
  }

  /// How long after it was asked its time is over.
  Duration timeout() {
    return Objects.requireNonNull(request.envelope().timeout(), "an LLM request has a timeout");
  }

  /// Counts it here while it waits for its turn at the model, which it does from now on.
  synchronized void countWhileAhead(AtomicInteger waiting) {
    allAhead = waiting;
    ahead(true);
  }

  private void ahead(boolean now) {
    // the thread of a call that it shares with others may come late
    if (allAhead != null && now != ahead && !forgotten) {
      ahead = now;
      allAhead.addAndGet(now ? 1 : -1);
    }
  }

  @Override
  public synchronized void waitsForTurn(Duration atLeast) {
    waits(atLeast);
    ahead(true);
    does(Activity.What.TURN);
  }

  @Override
  public synchronized void waits(Duration atLeast) {
    ahead(false);
    waitsUntil = atLeast.isPositive() ? clock.instant().plus(atLeast) : null;
    does(waitsUntil == null ? Activity.What.ANSWER : Activity.What.NEXT_TRY);
  }

  private void does(Activity.What what) {
    activity = Activity.after(activity, what, clock.instant());
  }

  /// Whether it does anything else than to wait for its turn, or nobody knows.
  synchronized boolean isBusy() {
    return activity == null || activity.what() != Activity.What.TURN;
  }

  /// Adds what it does, if it has begun anything.
  synchronized void tell(ObjectNode told) {
    if (activity != null) {
      activity.tell(told.putArray(Long.toString(id())), waitsUntil, calls, lastAsked);
    }
  }

  @Override
  public boolean mayCall(Duration patience) throws InterruptedException {
    return claim.confirm(patience);
  }

  @Override
  public synchronized void calls(ModelTarget target) {
    ahead(false);
    waitsUntil = null;
    does(Activity.What.CALLING);
    lastAsked = new Whom(target.provider().name(), target.model());
  }

  @Override
  public synchronized void called(Call call) {
    calls.add(call);
    lastAsked = whom(call);
  }

  private static Whom whom(Call call) {
    return new Whom(call.provider(), call.model());
  }

  /// The provider and model that were asked last; null if none was.
  synchronized @Nullable Whom lastAsked() {
    return lastAsked;
  }

  /// Every call that was made for it, in order.
  synchronized List<Call> callsMade() {
    return calls.entries();
  }

  /// For how long it has been claimed here.
  Duration age() {
    return Duration.ofNanos(System.nanoTime() - begunAt);
  }

  /// Before which there is nothing to do for it; null if nobody knows.
  synchronized @Nullable Instant waitsUntil() {
    return waitsUntil;
  }

  /// Whether it is time to hand its record over to the topic of deferred ones: it has been here for
  /// this long. True once.
  synchronized boolean beginsToDefer(Duration longest) {
    if (deferral == Deferral.DONE || deferring || settled) {
      return false;
    }
    deferring = age().compareTo(longest) >= 0;
    return deferring;
  }

  /// Its record is safe in the topic of deferred ones.
  void deferred() {
    receivedIn.finish(id());
  }

  /// Its record could not be handed over: to be tried again.
  synchronized void notDeferred() {
    deferring = false;
  }

  /// Whether its record has been handed over, or is about to be.
  synchronized boolean isDeferred() {
    return deferring;
  }

  /// This thread sees to it from now on, and may be interrupted to cancel it.
  synchronized void runsOn(Thread current) {
    thread = current;
    if (cancelled) {
      current.interrupt();
    }
  }

  /// There is a result: nothing can be cancelled any more.
  synchronized void settle() {
    settled = true;
    if (cancelled) {
      // an interrupt that came too late must not hit what follows
      var _ = Thread.interrupted();
    }
  }

  /// Ends it, its call under way included.
  synchronized void cancel() {
    if (!settled && !cancelled) {
      cancelled = true;
      if (thread != null) {
        thread.interrupt();
      }
    }
  }

  synchronized boolean isCancelled() {
    return cancelled;
  }

  /// It runs here no longer: its claim needs no fence.
  void forget() {
    synchronized (this) {
      ahead(false);
      forgotten = true;
    }
    claim.close();
  }

  /// Runs one of these once it has ended here, either way; at once if it has.
  ///
  /// @param whenEnded if its result is published
  /// @param whenLeft if it is left to another worker, which has it by now
  void follow(Runnable whenEnded, Runnable whenLeft) {
    var follower = new Follower(whenEnded, whenLeft);
    synchronized (this) {
      if (!ended) {
        followers.add(follower);
        return;
      }
    }
    tell(follower);
  }

  /// Its result is published.
  void end() {
    end(false);
  }

  /// Its claim is lost: another worker sees to its result.
  void leave() {
    end(true);
  }

  private void end(boolean toAnother) {
    List<Follower> told;
    synchronized (this) {
      ended = true;
      left = toAnother;
      told = List.copyOf(followers);
      followers.clear();
    }
    told.forEach(this::tell);
  }

  private void tell(Follower follower) {
    boolean whenLeft;
    synchronized (this) {
      whenLeft = left;
    }
    (whenLeft ? follower.whenLeft : follower.whenEnded).run();
  }
}
