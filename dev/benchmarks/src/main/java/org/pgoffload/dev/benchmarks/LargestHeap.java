package org.pgoffload.dev.benchmarks;

import com.sun.management.GarbageCollectionNotificationInfo;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import javax.management.ListenerNotFoundException;
import javax.management.Notification;
import javax.management.NotificationEmitter;
import javax.management.NotificationListener;
import javax.management.openmbean.CompositeData;
import org.jspecify.annotations.Nullable;

/// The most that this JVM's heap held after any garbage collection since it was opened. Safe to
/// share between threads.
final class LargestHeap implements AutoCloseable, NotificationListener {
  private final AtomicLong bytes = new AtomicLong();
  private final Set<String> pools =
      ManagementFactory.getMemoryPoolMXBeans().stream()
          .filter(pool -> pool.getType() == MemoryType.HEAP)
          .map(MemoryPoolMXBean::getName)
          .collect(Collectors.toSet());
  private final List<NotificationEmitter> collectors =
      ManagementFactory.getGarbageCollectorMXBeans().stream()
          .map(NotificationEmitter.class::cast)
          .toList();

  private LargestHeap() {}

  static LargestHeap open() {
    var heap = new LargestHeap();
    heap.collectors.forEach(collector -> collector.addNotificationListener(heap, null, null));
    return heap;
  }

  @Override
  public void handleNotification(Notification notification, @Nullable Object handback) {
    if (notification
        .getType()
        .equals(GarbageCollectionNotificationInfo.GARBAGE_COLLECTION_NOTIFICATION)) {
      var after =
          GarbageCollectionNotificationInfo.from((CompositeData) notification.getUserData())
              .getGcInfo()
              .getMemoryUsageAfterGc();
      long used = pools.stream().mapToLong(pool -> after.get(pool).getUsed()).sum();
      bytes.accumulateAndGet(used, Math::max);
    }
  }

  double megabytes() {
    return bytes.get() / 1e6;
  }

  @Override
  public void close() {
    try {
      for (var collector : collectors) {
        collector.removeNotificationListener(this);
      }
    } catch (ListenerNotFoundException e) {
      throw new IllegalStateException("it was added when this was opened", e);
    }
  }
}
