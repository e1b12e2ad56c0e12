package org.pgoffload.dev.faults.books;

import java.util.Set;

/// What a standby had of the requests of its primary, whose place it has taken. The others count as
/// if they had never been asked.
///
/// @param asked how many numbers had been given when the primary was gone
/// @param inserted the numbers below that whose rows the standby had
public record Survivors(int asked, Set<Integer> inserted) {
  /// Where nothing can be missing.
  public static final Survivors ALL = new Survivors(0, Set.of());

  public Survivors {
    inserted = Set.copyOf(inserted);
  }

  /// The request with its fate after the fail-over. An immediate one has no row at first: it is
  /// there if a worker has got it, or will.
  ///
  /// @param isThere whether it has a row by now, or a record on its topic
  public Asked judge(Asked request, boolean isThere) {
    boolean there =
        request.number() >= asked
            || request.fate() == Asked.Fate.ROLLED_BACK
            || (request.kind().isImmediate() ? isThere : inserted.contains(request.number()));
    return there ? request : new Asked(request.number(), request.kind(), Asked.Fate.UNREPLICATED);
  }
}
