package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.platform.TrustedProxies;
import org.pgoffload.schema.TestServer;

/// Who gets in, and for how long.
final class SignInTest extends WithConsole {
  private TrustedProxies proxies = TrustedProxies.NONE;

  @Test
  void letsARoleInWithItsPassword() {
    var reader = signedIn("app");
    assertThat(reader.get("/requests").body()).contains(">app</span>").contains("Sign out");
  }

  @Test
  void sendsWhoIsNotSignedInToTheFormAndBackToWhereTheyWantedToGo() {
    var reader = reader();
    var sent = reader.get("/requests?status=failed");
    assertThat(sent.statusCode()).isEqualTo(303);
    assertThat(location(sent)).isEqualTo("/signin?next=%2Frequests%3Fstatus%3Dfailed");
    reader.get(location(sent));
    var back =
        reader.post(
            "/signin", Map.of("role", "app", "password", "app", "next", "/requests?status=failed"));
    assertThat(location(back)).isEqualTo("/requests?status=failed");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb: c"})
  void sendsNobodyToAnotherSite(String next) {
    var reader = reader();
    reader.get("/signin");
    var reply = reader.post("/signin", Map.of("role", "app", "password", "app", "next", next));
    assertThat(location(reply)).isEqualTo("/overview");
  }

  @Override
  TrustedProxies proxies() {
    return proxies;
  }

  @Test
  void saysTheSameOfAWrongPasswordAndOfARoleThatIsNotThere() {
    var wrong = reader().signIn("app", "wrong");
    assertThat(wrong.statusCode()).isEqualTo(403);
    assertThat(wrong.body()).contains("Role or password is wrong.").contains("28P01");
    var unknown = reader().signIn("nobody_at_all", "wrong");
    assertThat(
            unknown.body().replace("nobody_at_all", "app").replaceAll("value=\"[^\"]{40,}\"", ""))
        .isEqualTo(wrong.body().replaceAll("value=\"[^\"]{40,}\"", ""));
    assertThat(wrong.body()).doesNotContain("value=\"wrong\"");
  }

  @Test
  void refusesASuperuserUnlessTheyAreAllowed() {
    assertThat(reader().signIn("postgres", "postgres").body())
        .contains("A superuser is not let in.");
    var allowing = console(database.address(), true, false);
    var reader = closedAfterTheTest(new Reader(allowing));
    assertThat(reader.signIn("postgres", "postgres").statusCode()).isEqualTo(303);
  }

  @Test
  void refusesARoleThatWasGrantedNothing() {
    assertThat(reader().signIn("nobody", "nobody").body())
        .contains("The role may not use pgoffload.");
  }

  @Test
  void letsAnOperatorInWhoHasNoRequests() {
    var reader = signedIn("ops");
    var overview = reader.get("/overview");
    assertThat(overview.statusCode()).isEqualTo(200);
    assertThat(overview.body())
        .contains("no worker is alive", "/models", "/dead-letters", "<h2>Workers</h2>")
        .doesNotContain("/requests", "/try", "/usage", "/maintained", " queued");
    var models = reader.get("/models");
    assertThat(models.statusCode()).isEqualTo(200);
    assertThat(models.body()).contains("Pause the role");
    assertThat(reader.get("/dead-letters").statusCode()).isEqualTo(200);
    assertThat(reader.get("/requests").statusCode()).isEqualTo(403);
  }

  @Test
  void refusesARoleThatTheServerAsksForNoPassword() {
    var trusting = TestServer.of(version).newInstalledDatabase();
    try {
      var console = console(trusting, false, false);
      var reader = closedAfterTheTest(new Reader(console));
      var reply = reader.signIn("app", "whatever");
      assertThat(reply.statusCode()).isEqualTo(403);
      assertThat(reply.body()).contains("The server asks this role for no password");
    } finally {
      TestServer.of(version).drop(trusting);
    }
  }

  @Test
  void refusesADatabaseWithoutTheSchema() {
    var console = console(database.address().in("postgres"), false, false);
    var reader = closedAfterTheTest(new Reader(console));
    assertThat(reader.signIn("app", "app").body())
        .contains("pgoffload is not installed in this database.");
  }

  @Test
  void waitsAfterFiveFailuresAndLetsInWhoComesLater() {
    var reader = reader();
    for (int i = 0; i < 5; i++) {
      assertThat(reader.signIn("app", "wrong").body()).contains("Role or password is wrong.");
    }
    // also with the right one, or trying goes on
    assertThat(reader.signIn("app", "app").body()).contains("Too many attempts have failed.");
    assertThat(reader.signIn("mallory", "mallory").statusCode()).isEqualTo(303);
    clock.goOn(Duration.ofMinutes(5));
    assertThat(reader().signIn("app", "app").statusCode()).isEqualTo(303);
  }

  @Test
  void waitsAfterTwentyFailuresFromOneAddress() {
    var reader = reader();
    for (int i = 0; i < 20; i++) {
      assertThat(reader.signIn("role" + i, "wrong").body()).contains("Role or password is wrong.");
    }
    assertThat(reader.signIn("app", "app").body()).contains("Too many attempts have failed.");
  }

  @Test
  void countsFailuresBehindATrustedProxyByItsReaders() {
    proxies = TrustedProxies.read("127.0.0.1");
    var trusting = console(database.address(), false, false);
    proxies = TrustedProxies.NONE;
    var reader = closedAfterTheTest(new Reader(trusting));
    for (int i = 0; i < 20; i++) {
      reader.signIn("role" + i, "wrong", "X-Forwarded-For", "10.0.0." + i + ", 203.0.113.9");
    }
    assertThat(reader.signIn("app", "app", "X-Forwarded-For", "203.0.113.9").body())
        .contains("Too many attempts have failed.");
    assertThat(reader.signIn("app", "app", "X-Forwarded-For", "203.0.113.10").statusCode())
        .isEqualTo(303);
  }

  @Test
  void believesNobodyElseWhoTheyAskFor() {
    var reader = reader();
    for (int i = 0; i < 20; i++) {
      reader.signIn("role" + i, "wrong", "X-Forwarded-For", "203.0.113." + i);
    }
    assertThat(reader.signIn("app", "app", "X-Forwarded-For", "203.0.113.99").body())
        .contains("Too many attempts have failed.");
  }

  @Test
  void countsNoFailureThatSaysNothingOfThePassword() {
    for (var elsewhere : List.of("postgres", "no_such_database")) {
      var reader =
          closedAfterTheTest(new Reader(console(database.address().in(elsewhere), false, false)));
      for (int i = 0; i < 7; i++) {
        assertThat(reader.signIn("app", "app").body())
            .contains("pgoffload is not installed in this database.");
      }
    }
  }

  @Test
  void refusesANameThatNoRoleHas() {
    // what is behind a zero byte would be a setting of the session
    for (var role : List.of("app\u0000statement_timeout\u00000", "a\nb", "a".repeat(64))) {
      assertThat(reader().signIn(role, "wrong").statusCode()).isEqualTo(400);
    }
  }

  @Test
  void givesANewIdAtEachSignIn() {
    var reader = reader();
    reader.get("/signin");
    var before = reader.sessionId();
    assertThat(before).hasSize(43);
    assertThat(reader.signIn("app", "app").statusCode()).isEqualTo(303);
    assertThat(reader.sessionId()).hasSize(43).isNotEqualTo(before);
    var first = reader.sessionId();
    reader.get("/requests");
    reader.post("/signout", Map.of());
    reader.signIn("app", "app");
    assertThat(reader.sessionId()).isNotEqualTo(first);
  }

  @Test
  void endsASessionAtItsSignOut() {
    var reader = signedIn("app");
    var id = reader.sessionId();
    assertThat(location(reader.post("/signout", Map.of()))).isEqualTo("/signin");
    var thief = reader();
    assertThat(thief.get("/requests", "Cookie", cookie(id)).statusCode()).isEqualTo(303);
  }

  @Test
  void endsASessionAfterHalfAnHourWithoutALook() {
    var reader = signedIn("app");
    clock.goOn(Duration.ofMinutes(29));
    assertThat(reader.get("/requests").statusCode()).isEqualTo(200);
    clock.goOn(Duration.ofMinutes(29));
    // a page that asks again by itself is no look
    assertThat(reader.get("/requests", "X-Poll", "1").statusCode()).isEqualTo(200);
    clock.goOn(Duration.ofMinutes(1));
    assertThat(reader.get("/requests").statusCode()).isEqualTo(303);
  }

  @Test
  void aStreamThatComesAgainByItselfIsNoLook() throws Exception {
    var reader = signedIn("app");
    clock.goOn(Duration.ofMinutes(29));
    reader.stream("/overview/events").close();
    clock.goOn(Duration.ofMinutes(1));
    assertThat(reader.get("/requests").statusCode()).isEqualTo(303);
  }

  @Test
  void endsASessionAfterTwelveHoursOfLooks() {
    var reader = signedIn("app");
    for (int i = 0; i < 25; i++) {
      clock.goOn(Duration.ofMinutes(28));
      assertThat(reader.get("/requests").statusCode()).isEqualTo(200);
    }
    clock.goOn(Duration.ofMinutes(28));
    assertThat(reader.get("/requests").statusCode()).isEqualTo(303);
  }

  @Test
  void hasNoSessionOfTheDatabaseWhileNobodyLooks() {
    signedIn("app").get("/requests");
    assertThat(
            database
                .admin()
                .number(
                    "select count(*) from pg_stat_activity where application_name ~ '^pgoffload console'"))
        .isZero();
  }

  private String cookie(String id) {
    return "pgoffload_" + console.url().replaceAll(".*:(\\d+)/", "$1") + "=" + id;
  }

  private static String location(HttpResponse<String> reply) {
    return reply.headers().firstValue("Location").orElse("");
  }
}
