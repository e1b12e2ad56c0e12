package org.pgoffload.console.web;

import java.sql.SQLException;

/// Where pages are added. Every route needs a signed-in role; everything but a look needs the token
/// of the reader's session too.
public interface Routes {
  /// Makes what is shown.
  @FunctionalInterface
  interface Show {
    View show(Visit visit) throws SQLException;
  }

  /// Does what a form asks for.
  @FunctionalInterface
  interface Act {
    /// Acts, and says where the reader is sent then.
    Next act(Visit visit) throws SQLException;
  }

  /// Tells a page of changes, on a thread of its own, until it returns or the reader has left.
  @FunctionalInterface
  interface Tell {
    void tell(Visit visit, Events events) throws SQLException, InterruptedException;
  }

  /// A look.
  ///
  /// @param path with parameters as `/requests/{id}`
  void get(String path, Show show);

  /// An action.
  void post(String path, Act act);

  /// A stream of events.
  void events(String path, Tell tell);
}
