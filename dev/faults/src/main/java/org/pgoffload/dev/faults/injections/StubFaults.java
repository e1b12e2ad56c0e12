package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.StubVendor;

/// A model that refuses, fails, hangs or breaks off.
final class StubFaults {
  private static final Duration LATENCY = Duration.ofMillis(40);
  private static final Duration LONG_ENOUGH = Duration.ofSeconds(6);

  private StubFaults() {}

  static List<Fault> all() {
    return List.of(
        misbehaving(
            "model-refuses",
            "a third of the calls is refused with 429 and a second to wait",
            StubVendor.Mode.REFUSING,
            0.33),
        misbehaving(
            "model-fails", "half of the calls is answered with 500", StubVendor.Mode.FAILING, 0.5),
        misbehaving(
            "model-hangs",
            "a twentieth of the calls is never answered",
            StubVendor.Mode.HANGING,
            0.05),
        misbehaving(
            "model-breaks-off",
            "half of the answers ends in the middle",
            StubVendor.Mode.CUTTING,
            0.5));
  }

  private static Fault misbehaving(
      String name, String description, StubVendor.Mode mode, double share) {
    return Fault.of(
        name,
        description,
        scene -> {
          var stub = scene.installation().stub();
          int before = stub.misbehaved();
          stub.behave(new StubVendor.Manner(mode, share, LATENCY));
          scene.pause(LONG_ENOUGH);
          stub.behave(StubVendor.Manner.USUAL);
          scene.measureRecovery("model");
          scene.note((stub.misbehaved() - before) + " calls met it");
        });
  }
}
