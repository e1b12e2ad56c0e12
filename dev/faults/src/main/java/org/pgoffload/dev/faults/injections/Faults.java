package org.pgoffload.dev.faults.injections;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// All faults, in the order in which they are injected.
public final class Faults {
  private Faults() {}

  public static List<Fault> all() {
    var all = new ArrayList<Fault>();
    all.addAll(PartFaults.all());
    all.addAll(ServerFaults.all());
    all.addAll(LeaseFaults.all());
    all.addAll(RollingFaults.all());
    all.addAll(FailOverFaults.all());
    all.addAll(BrokersFaults.all());
    all.addAll(WorkloadFaults.all());
    all.addAll(MaintainedFaults.all());
    all.addAll(StubFaults.all());
    all.addAll(NetworkFaults.all());
    all.addAll(SlotFaults.all());
    all.addAll(DiskFaults.all());
    return List.copyOf(all);
  }

  public static Optional<Fault> named(String name) {
    return all().stream().filter(fault -> fault.name().equals(name)).findFirst();
  }
}
