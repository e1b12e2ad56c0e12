package org.pgoffload.console.web;

import java.util.Optional;
import java.util.function.Predicate;
import org.pgoffload.console.signin.RoleRights;

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
  /// @param audience which roles it is shown to; the page itself refuses the others
  record Entry(String label, String path, Predicate<RoleRights> audience) {
    /// Of a page for all who may have requests.
    public Entry(String label, String path) {
      this(label, path, RoleRights::requests);
    }
  }
}
