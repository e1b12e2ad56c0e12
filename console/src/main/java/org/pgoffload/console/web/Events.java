package org.pgoffload.console.web;

/// The server-sent events of one page that a reader has open.
public interface Events {
  /// Sends an event.
  ///
  /// @param name as the page's script listens to
  /// @param data text of one line or several
  void send(String name, String data);

  /// Whether nobody reads any more: the page is closed, the role has signed out, or the console
  /// ends.
  boolean ended();
}
