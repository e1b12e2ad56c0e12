package org.pgoffload.console;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.CookieManager;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// A reader with a browser that has no scripts: it keeps cookies, sends forms with the token of the
/// page that it has loaded last, and does not follow redirects by itself.
final class Reader implements AutoCloseable {
  private static final Pattern TOKEN = Pattern.compile("name=\"token\" value=\"([^\"]+)\"");

  private final URI console;
  private final CookieManager cookies = new CookieManager();
  private final HttpClient http = HttpClient.newBuilder().cookieHandler(cookies).build();
  private String token = "";

  Reader(ConsoleApp console) {
    this.console = URI.create(console.url());
  }

  /// One who has signed in with a role whose password is its name.
  static Reader signedIn(ConsoleApp console, String role) {
    var reader = new Reader(console);
    var reply = reader.signIn(role, role);
    if (reply.statusCode() != 303) {
      throw new AssertionError(reply.statusCode() + " " + reply.body());
    }
    reader.get(reply.headers().firstValue("Location").orElseThrow());
    return reader;
  }

  HttpResponse<String> signIn(String role, String password, String... headers) {
    get("/signin");
    return post("/signin", Map.of("role", role, "password", password), headers);
  }

  HttpResponse<String> get(String path, String... headers) {
    var request = HttpRequest.newBuilder(console.resolve(path));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return send(request.build());
  }

  /// A stream of events, which the reader closes.
  InputStream stream(String path) {
    var request =
        HttpRequest.newBuilder(console.resolve(path)).header("Accept", "text/event-stream").build();
    try {
      return http.send(request, BodyHandlers.ofInputStream()).body();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  /// Sends a form.
  HttpResponse<String> post(String path, Map<String, String> fields, String... headers) {
    var form =
        fields.entrySet().stream()
            .map(field -> field.getKey() + "=" + encoded(field.getValue()))
            .collect(Collectors.joining("&", "", "&token=" + token));
    var request =
        HttpRequest.newBuilder(console.resolve(path))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return send(request.build());
  }

  /// Sends a form, and loads where it leads.
  HttpResponse<String> postAndFollow(String path, Map<String, String> fields) {
    var reply = post(path, fields);
    return get(
        reply.headers().firstValue("Location").orElseThrow(() -> new AssertionError(reply.body())));
  }

  /// The id in the session's cookie.
  String sessionId() {
    return cookies.getCookieStore().getCookies().stream()
        .filter(cookie -> cookie.getName().contains("pgoffload_"))
        .map(cookie -> cookie.getValue())
        .findFirst()
        .orElse("");
  }

  void forgetToken() {
    token = "";
  }

  private HttpResponse<String> send(HttpRequest request) {
    try {
      var reply = http.send(request, BodyHandlers.ofString());
      var found = TOKEN.matcher(reply.body());
      if (found.find()) {
        token = found.group(1);
      }
      return reply;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  private static String encoded(String value) {
    return URLEncoder.encode(value, StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    http.close();
  }
}
