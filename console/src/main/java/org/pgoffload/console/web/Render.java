package org.pgoffload.console.web;

import gg.jte.ContentType;
import gg.jte.TemplateEngine;
import gg.jte.output.StringOutput;
import io.javalin.http.Context;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.signin.SignedIn;
import org.pgoffload.protocol.Text;

/// Makes HTML of views and problems, with the frame around them. Safe to share between threads.
final class Render {
  /// In a header, which the server bounds: nine times as long where it is encoded.
  private static final int LONGEST_PROBLEM = 500;

  private final TemplateEngine templates = TemplateEngine.createPrecompiled(ContentType.Html);
  private final List<Page.Entry> entries;
  private final Guard guard;
  private final Files files;

  Render(List<Page.Entry> entries, Guard guard, Files files) {
    this.entries = entries;
    this.guard = guard;
    this.files = files;
  }

  void view(Context context, View view, SignedIn session) {
    html(context, view.template(), layout(context, view.title(), session), view.model());
  }

  /// A page for readers who are not signed in.
  void open(Context context, View view) {
    html(context, view.template(), layout(context, view.title(), null), view.model());
  }

  void problem(Context context, Problem problem, @Nullable SignedIn session) {
    context.status(problem.status());
    // for the script, which leaves the page as it is and says why
    context.header(
        "X-Problem",
        URLEncoder.encode(
                Text.shortened(problem.words() + " " + problem.hint(), LONGEST_PROBLEM),
                StandardCharsets.UTF_8)
            .replace("+", "%20"));
    html(context, "problem.jte", layout(context, "Problem", session), problem);
  }

  private Layout layout(Context context, String title, @Nullable SignedIn session) {
    return new Layout(
        title,
        session == null ? "" : session.role(),
        guard.token(context),
        session == null ? List.of() : entriesFor(session),
        current(context.path()),
        session == null || isFragment(context) ? "" : session.takeNotice(),
        files);
  }

  private List<Page.Entry> entriesFor(SignedIn session) {
    return entries.stream().filter(entry -> entry.audience().test(session.rights())).toList();
  }

  /// Whether a script takes a part of the page alone.
  static boolean isFragment(Context context) {
    return context.header("HX-Request") != null;
  }

  private String current(String path) {
    return entries.stream()
        .map(Page.Entry::path)
        .filter(entry -> path.equals(entry) || path.startsWith(entry + "/"))
        .findFirst()
        .orElse("");
  }

  /// A part of a page, as text.
  String part(View view) {
    var output = new StringOutput();
    templates.render(view.template(), Map.of("model", view.model()), output);
    return output.toString();
  }

  private void html(Context context, String template, Layout layout, Object model) {
    var output = new StringOutput();
    templates.render(template, Map.of("layout", layout, "model", model), output);
    context.html(output.toString());
  }
}
