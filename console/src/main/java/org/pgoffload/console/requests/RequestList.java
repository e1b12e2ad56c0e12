package org.pgoffload.console.requests;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A page of the list of requests.
///
/// @param requests the newest first
/// @param older where the next page begins, or null if there is none
/// @param searchedDownTo the id down to which was searched when the time was up, or null if the
///   search came to its end
/// @param textsHidden whether the beginnings of texts are left out
public record RequestList(
    RequestFilter filter,
    List<ListedRequest> requests,
    @Nullable Long older,
    @Nullable Long searchedDownTo,
    @Nullable Long before,
    boolean textsHidden) {

  /// The address of the next page.
  public String olderPath() {
    return filter.path(Map.of("before", String.valueOf(older)));
  }

  /// The address at which the search goes on.
  public String onPath() {
    return filter.path(Map.of("before", String.valueOf(searchedDownTo)));
  }
}
