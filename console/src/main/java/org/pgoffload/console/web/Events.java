package org.pgoffload.console.web;

import java.time.Duration;

/// The server-sent events of one page that a reader has open.
public interface Events {
  /// Sends a part of a page, which takes the place of what its element has.
  ///
  /// @param name of the event; `show` is the one that the page's script knows
  /// @param view without the frame: a template with the parameter `model` alone
  void show(String name, View view);

  /// Waits, or less where nobody reads any more.
  void pause(Duration length) throws InterruptedException;

  /// Whether nobody reads any more: the page is closed, the role has signed out, or the console
  /// ends.
  boolean ended();
}
