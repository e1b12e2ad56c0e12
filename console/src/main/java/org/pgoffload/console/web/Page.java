package org.pgoffload.console.web;

import java.util.Optional;

/// One page of the console, with what can be done on it. Shared by all readers: it keeps nothing of
/// a visit.
public interface Page {
  /// Its entry in the navigation, or empty for a page that others link to.
  Optional<Entry> entry();

  /// Adds its routes.
  void addTo(Routes routes);

  /// An entry of the navigation.
  ///
  /// @param label a word or two
  /// @param path of its route
  record Entry(String label, String path) {}
}
