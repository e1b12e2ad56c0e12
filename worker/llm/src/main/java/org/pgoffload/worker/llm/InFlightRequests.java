package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.RecentRequests;
import org.pgoffload.worker.delivery.lease.ClaimFence;
import org.pgoffload.worker.delivery.waiting.TellWaiting;
import org.pgoffload.worker.llm.calls.DeferredHeaders;

/// Every LLM request that this worker has claimed and not ended, whether its record is still
/// unfinished or was handed over to the topic of deferred ones.
///
/// Safe to share between threads.
final class InFlightRequests {
  /// More than are ever between a claim and its beginning here.
  private static final int EARLY = 10_000;

  /// So many ids are a few kilobytes with each renewal of the lease.
  static final int MOST_BUSY = 500;

  private final Map<Long, InFlightRequest> byId = new LinkedHashMap<>();
  private final RecentRequests<Long> cancelledEarly = new RecentRequests<>(EARLY);

  /// How many cancellations of a request are being obeyed.
  private final Map<Long, Integer> ending = new HashMap<>();

  private final Map<String, ModelShare> shares = new HashMap<>();
  private final ChooseTarget targets;
  private final ClaimFence fence;
  private final InstantSource clock;
  private final int most;
  private final long mostBytes;
  private long bytes;

  /// @param targets by which requests share what is in flight
  /// @param fence which claims are still this worker's
  /// @param clock the database's
  /// @param most how many requests may be in flight at once
  /// @param mostBytes and their bytes
  InFlightRequests(
      ChooseTarget targets, ClaimFence fence, InstantSource clock, int most, long mostBytes) {
    this.targets = targets;
    this.fence = fence;
    this.clock = clock;
    this.most = most;
    this.mostBytes = mostBytes;
  }

  /// A claimed request begins.
  ///
  /// @param receivedIn where its record counts as unfinished
  InFlightRequest begin(
      ConsumedRequest request,
      LlmAttempt claim,
      PendingRequests receivedIn,
      InFlightRequest.Deferral deferral) {
    var asked =
        new InFlightRequest(
            request,
            receivedIn,
            deferral,
            DeferredHeaders.calls(request.record().headers()),
            clock,
            fence.fence(request.envelope(), claim.attempt(), claim.leaseLapses()));
    add(asked);
    return asked;
  }

  private synchronized void add(InFlightRequest asked) {
    if (byId.putIfAbsent(asked.id(), asked) != null) {
      throw new IllegalStateException("request " + asked.id() + " has begun already");
    }
    bytes += asked.request().size();
    shares.computeIfAbsent(model(asked), _ -> new ModelShare()).add(asked);
    if (cancelledEarly.contains(asked.id())) {
      asked.cancel();
    }
  }

  /// It has ended, or is left for the next worker.
  synchronized void remove(InFlightRequest asked) {
    if (byId.remove(asked.id(), asked)) {
      bytes -= asked.request().size();
      var model = model(asked);
      var share = Objects.requireNonNull(shares.get(model), "a request has its model's share");
      share.remove(asked);
      if (share.isUnused()) {
        shares.remove(model);
      }
      asked.forget();
    }
  }

  private String model(InFlightRequest asked) {
    return targets.nameOf(asked.request().envelope());
  }

  synchronized Optional<InFlightRequest> find(long id) {
    return Optional.ofNullable(byId.get(id));
  }

  /// Cancels it here, or as soon as it begins here.
  void cancel(long id) {
    Optional<InFlightRequest> asked;
    synchronized (this) {
      asked = find(id);
      if (asked.isEmpty()) {
        cancelledEarly.add(id);
      }
    }
    asked.ifPresent(InFlightRequest::cancel);
  }

  /// It may be claimed here in order to be ended: nobody may begin it meanwhile.
  synchronized void beginEnding(long id) {
    ending.merge(id, 1, Integer::sum);
  }

  /// It was not claimed, or its result is published: once for each [#beginEnding].
  synchronized void endEnding(long id) {
    ending.computeIfPresent(id, (_, count) -> count == 1 ? null : count - 1);
  }

  synchronized boolean isEnding(long id) {
    return ending.containsKey(id);
  }

  /// All, the oldest first.
  synchronized List<InFlightRequest> all() {
    return List.copyOf(byId.values());
  }

  /// Adds what they do: of those that have been in flight for the longest by what each does, of the
  /// others which of them do not wait for their turn, unless these are too many.
  void tell(ObjectNode told) {
    tell(all(), told);
  }

  static void tell(List<InFlightRequest> all, ObjectNode told) {
    var oldest = told.putObject("in_flight");
    all.stream().limit(TellWaiting.MOST).forEach(each -> each.tell(oldest));
    var busy =
        all.stream()
            .skip(TellWaiting.MOST)
            .filter(InFlightRequest::isBusy)
            .limit(MOST_BUSY + 1L)
            .toList();
    if (busy.size() <= MOST_BUSY) {
      var ids = told.putArray("busy");
      busy.forEach(each -> ids.add(each.id()));
    }
  }

  synchronized int count() {
    return byId.size();
  }

  /// How many more requests for a model may begin now, so that there is room for those of others.
  synchronized int allowance(String model) {
    var share = shares.getOrDefault(model, new ModelShare());
    return room() == 0 ? 0 : share.allowance(room(), mostBytes - bytes);
  }

  /// How many more there is room for.
  synchronized int room() {
    return bytes >= mostBytes ? 0 : Math.max(0, most - byId.size());
  }
}
