package org.pgoffload.console.web;

import io.javalin.http.Context;
import io.javalin.http.Cookie;
import io.javalin.http.SameSite;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.pgoffload.console.signin.Sessions;
import org.pgoffload.console.signin.SignedIn;
import org.pgoffload.console.signin.Tokens;

/// Keeps others out: of other sites, in a reader's browser, and of readers who are not signed in.
///
/// Safe to share between threads.
final class Guard {
  /// The form field with the session's token.
  static final String TOKEN = "token";

  /// Sent by a page that asks again by itself: that is no look, and keeps no session alive.
  private static final String POLL = "X-Poll";

  private static final Set<String> LOOKS = Set.of("GET", "HEAD");

  /// From our own pages, or typed in. Browsers without the header are checked by the token alone.
  private static final Set<String> OWN_SITE = Set.of("same-origin", "none");

  private static final Map<String, String> HEADERS =
      Map.of(
          "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
              + " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
          "X-Content-Type-Options",
          "nosniff",
          "Referrer-Policy",
          "no-referrer",
          "X-Frame-Options",
          "DENY",
          "Cross-Origin-Opener-Policy",
          "same-origin",
          "Cross-Origin-Resource-Policy",
          "same-origin",
          "Permissions-Policy",
          "camera=(), geolocation=(), microphone=()",
          // what a role saw is not to be seen by the next one, with the button Back
          "Cache-Control",
          "no-store");

  private final Listen listen;
  private final Sessions sessions;
  private final Tokens tokens;

  Guard(Listen listen, Sessions sessions, Tokens tokens) {
    this.listen = listen;
    this.sessions = sessions;
    this.tokens = tokens;
  }

  /// Checks a request before anything else is done for it.
  ///
  /// @throws Problem if it is not from one of our pages
  void check(Context context) {
    HEADERS.forEach(context::header);
    if (listen.isSecure()) {
      context.header("Strict-Transport-Security", "max-age=31536000");
    }
    if (!listen.isOurs(context.header("Host"))) {
      throw new Problem(
          421,
          "unknown_host",
          "The console does not know itself by this name.",
          "Set PGOFFLOAD_CONSOLE_URL to the address by which it is reached.");
    }
    if (LOOKS.contains(context.req().getMethod())) {
      // the server would take it for the method of the route
      if (context.header("X-HTTP-Method-Override") != null) {
        throw Problem.badRequest("Another method cannot be put over a GET.");
      }
      return;
    }
    var site = context.header("Sec-Fetch-Site");
    if (site != null && !OWN_SITE.contains(site)) {
      throw foreign();
    }
    var id = context.cookie(cookieName(context));
    var token = context.isFormUrlencoded() ? context.formParam(TOKEN) : null;
    if (id == null || !tokens.matches(token, id)) {
      throw foreign();
    }
  }

  private static Problem foreign() {
    return new Problem(
        403,
        "foreign_form",
        "This form was not made for your session.",
        "Load the page again, and send it from there.");
  }

  /// The reader's session.
  Optional<SignedIn> session(Context context) {
    return session(context, context.header(POLL) == null);
  }

  /// @param isLook whether a reader looks, rather than a page that asks again by itself
  Optional<SignedIn> session(Context context, boolean isLook) {
    var id = context.cookie(cookieName(context));
    return id == null ? Optional.empty() : sessions.find(id, isLook);
  }

  /// The network address of the reader, behind proxies that are trusted.
  String readerOf(Context context) {
    return listen
        .proxies()
        .reader(context.ip(), Collections.list(context.req().getHeaders("X-Forwarded-For")));
  }

  /// The token for forms of the page that is being made. A reader without an id gets one.
  String token(Context context) {
    var id = context.cookie(cookieName(context));
    if (id == null) {
      id = tokens.newId();
      remember(context, id);
    }
    return tokens.of(id);
  }

  /// Gives the reader the id of a new session, in the place of the one before.
  void begin(Context context, String id) {
    endSession(context);
    remember(context, id);
  }

  /// Ends the reader's session.
  void end(Context context) {
    endSession(context);
    // with the attributes that it was set with: without them a browser keeps a __Host- cookie
    var cookie = cookie(context, "");
    cookie.setMaxAge(0);
    context.cookie(cookie);
  }

  private void endSession(Context context) {
    var id = context.cookie(cookieName(context));
    if (id != null) {
      sessions.end(id);
    }
  }

  private void remember(Context context, String id) {
    context.cookie(cookie(context, id));
  }

  private Cookie cookie(Context context, String value) {
    var cookie = new Cookie(cookieName(context), value);
    cookie.setHttpOnly(true);
    cookie.setSecure(listen.isSecure());
    cookie.setSameSite(SameSite.STRICT);
    return cookie;
  }

  /// Two consoles on one machine have one host, and cookies know no port.
  private String cookieName(Context context) {
    return (listen.isSecure() ? "__Host-" : "") + "pgoffload_" + context.req().getLocalPort();
  }
}
