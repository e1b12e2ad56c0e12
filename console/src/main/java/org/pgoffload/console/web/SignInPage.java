package org.pgoffload.console.web;

import io.javalin.http.Context;
import io.javalin.http.HttpStatus;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import org.pgoffload.console.signin.SignIn;
import org.pgoffload.console.signin.SignInException;
import org.pgoffload.protocol.Secret;

/// The sign-in and the sign-out.
final class SignInPage {
  /// Longer than any name and any password that is meant.
  private static final int LONGEST = 1_000;

  /// The bytes of a name in PostgreSQL (NAMEDATALEN - 1).
  private static final int LONGEST_NAME = 63;

  private final SignIn signIn;
  private final Guard guard;
  private final Render render;
  private final String home;

  SignInPage(SignIn signIn, Guard guard, Render render, String home) {
    this.signIn = signIn;
    this.guard = guard;
    this.render = render;
    this.home = home;
  }

  void show(Context context) {
    if (guard.session(context).isPresent()) {
      context.redirect(home, HttpStatus.SEE_OTHER);
      return;
    }
    render.open(context, view(new SignInForm("", next(context.queryParam("next")), "", "", "")));
  }

  void signIn(Context context) {
    var role = orEmpty(context.formParam("role")).strip();
    var password = orEmpty(context.formParam("password"));
    var next = next(context.formParam("next"));
    if (role.isEmpty() || password.isBlank()) {
      context.status(HttpStatus.UNPROCESSABLE_CONTENT);
      render.open(
          context, view(new SignInForm(role, next, "Role and password are needed.", "", "28000")));
      return;
    }
    if (role.length() > LONGEST || password.length() > LONGEST) {
      throw Problem.badRequest("The role or the password is too long.");
    }
    // a zero byte would end the name in the message that begins a session, and begin a setting
    if (role.chars().anyMatch(Character::isISOControl)
        || password.chars().anyMatch(character -> character == 0)
        || role.getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME) {
      throw Problem.badRequest("No role has such a name.");
    }
    try {
      guard.begin(context, signIn.signIn(role, Secret.of(password), guard.readerOf(context)));
    } catch (SignInException e) {
      context.status(HttpStatus.FORBIDDEN);
      render.open(
          context,
          view(new SignInForm(role, next, String.valueOf(e.getMessage()), e.hint(), e.code())));
      return;
    }
    context.redirect(next.isEmpty() ? home : next, HttpStatus.SEE_OTHER);
  }

  void signOut(Context context) {
    guard.end(context);
    context.redirect("/signin", HttpStatus.SEE_OTHER);
  }

  /// Sends a reader who is not signed in to the form, and back to where they wanted to go.
  void askFor(Context context) {
    var query = context.queryString();
    var wanted = context.path() + (query == null ? "" : "?" + query);
    var form =
        context.req().getMethod().equals("GET") && !Render.isFragment(context)
            ? "/signin?next=" + URLEncoder.encode(wanted, StandardCharsets.UTF_8)
            : "/signin";
    if (Render.isFragment(context)) {
      context.header("HX-Redirect", form).status(HttpStatus.NO_CONTENT);
      return;
    }
    context.redirect(form, HttpStatus.SEE_OTHER);
  }

  private static View view(SignInForm form) {
    return new View("signin.jte", "Sign in", form);
  }

  /// Only a place of the console's own.
  private static String next(@org.jspecify.annotations.Nullable String wanted) {
    return wanted != null && wanted.matches("/(?![/\\\\])[!-~&&[^\\\\]]*") ? wanted : "";
  }

  private static String orEmpty(@org.jspecify.annotations.Nullable String text) {
    return text == null ? "" : text;
  }
}
