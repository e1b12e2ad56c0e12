package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What pages of other sites, and readers who are curious, cannot do.
final class GuardTest extends WithConsole {
  @Test
  void takesNoFormWithoutTheTokenOfItsSession() {
    var reader = signedIn("app");
    var id = database.inserted("app");
    reader.get("/requests/" + id);
    var other = signedIn("mallory");
    reader.forgetToken();
    var reply = reader.post("/requests/" + id + "/cancel", Map.of());
    assertThat(reply.statusCode()).isEqualTo(403);
    assertThat(reply.body()).contains("This form was not made for your session.");
    assertThat(other.post("/signout", Map.of()).statusCode()).isEqualTo(303);
    assertThat(database.admin().number("select count(*) from pgoffload.cancellation")).isZero();
  }

  @Test
  void takesNoSignInWithoutATokenEither() {
    var reader = reader();
    assertThat(reader.post("/signin", Map.of("role", "app", "password", "app")).statusCode())
        .isEqualTo(403);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cross-site", "same-site"})
  void takesNoFormFromAnotherSite(String site) {
    var reader = signedIn("app");
    assertThat(reader.post("/signout", Map.of(), "Sec-Fetch-Site", site).statusCode())
        .isEqualTo(403);
    assertThat(reader.post("/signout", Map.of(), "Sec-Fetch-Site", "same-origin").statusCode())
        .isEqualTo(303);
  }

  @ParameterizedTest
  @CsvSource({
    "localhost, 303",
    "127.0.0.1, 303",
    "10.1.2.3, 303",
    "evil.example, 421",
    "localhost.evil.example, 421"
  })
  void knowsItsOwnNamesAlone(String host, int status) throws IOException {
    int port = URI.create(console.url()).getPort();
    try (var socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket
          .getOutputStream()
          .write(
              ("GET / HTTP/1.1\r\nHost: " + host + ":" + port + "\r\nConnection: close\r\n\r\n")
                  .getBytes(StandardCharsets.US_ASCII));
      var reply = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(reply).startsWith("HTTP/1.1 " + status);
    }
  }

  @Test
  void putsNoOtherMethodOverAGet() {
    var reader = signedIn("app");
    assertThat(reader.get("/signout", "X-HTTP-Method-Override", "POST").statusCode())
        .isEqualTo(400);
    assertThat(reader.get("/requests").statusCode()).isEqualTo(200);
  }

  @Test
  void allowsNoScriptNoStyleAndNoFrameButItsOwn() {
    var reply = signedIn("app").get("/requests").headers();
    var headers = reply.map();
    assertThat(reply.firstValue("Content-Security-Policy").orElse(""))
        .contains("default-src 'none'")
        .contains("script-src 'self'")
        .contains("frame-ancestors 'none'")
        .doesNotContain("unsafe");
    assertThat(headers)
        .containsEntry("X-Content-Type-Options", java.util.List.of("nosniff"))
        .containsEntry("Referrer-Policy", java.util.List.of("no-referrer"))
        .containsEntry("Cache-Control", java.util.List.of("no-store"))
        .doesNotContainKey("Server");
  }

  @Test
  void keepsItsCookieFromScriptsAndOtherSites() {
    var cookie = reader().get("/signin").headers().firstValue("Set-Cookie").orElseThrow();
    assertThat(cookie).contains("HttpOnly").contains("SameSite=Strict").contains("Path=/");
  }

  @Test
  void servesItsFilesForEverUnderTheirDigests() {
    var reader = reader();
    var page = reader.get("/signin").body();
    var files =
        Pattern.compile("(?:src|href)=\"(/files/[^\"]+)\"").matcher(page).results().toList();
    assertThat(files).hasSizeGreaterThanOrEqualTo(6);
    for (var file : files) {
      var reply = reader.get(file.group(1));
      assertThat(reply.statusCode()).as(file.group(1)).isEqualTo(200);
      assertThat(reply.headers().firstValue("Cache-Control"))
          .hasValueSatisfying(value -> assertThat(value).contains("immutable"));
      var tag = reply.headers().firstValue("ETag").orElseThrow();
      assertThat(reader.get(file.group(1), "If-None-Match", tag).statusCode()).isEqualTo(304);
    }
    assertThat(page).doesNotContain("http://").doesNotContain("https://");
  }

  @Test
  void answersWhatIsNotThereWithAPageOfItsOwn() {
    var reply = signedIn("app").get("/nothing");
    assertThat(reply.statusCode()).isEqualTo(404);
    assertThat(reply.body()).contains("There is no such page.").contains("Requests");
  }

  @Test
  void refusesAFormThatIsTooLarge() {
    var reader = signedIn("app");
    var reply = reader.post("/signout", Map.of("more", "x".repeat(1_100_000)));
    assertThat(reply.statusCode()).isEqualTo(413);
    assertThat(reader.get("/requests").statusCode()).isEqualTo(200);
  }
}
