package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.pgoffload.schema.TestServer;

/// The console while the database is away. Its one test leaves the test's own sessions broken.
final class ServerAwayTest extends WithConsole {
  @Test
  void saysSoWhileTheServerIsAwayAndGoesOnAfterwards() {
    var reader = signedIn("app");
    var server = TestServer.of(version);
    server.stop();
    try {
      var reply = reader.get("/requests");
      assertThat(reply.statusCode()).isEqualTo(503);
      assertThat(reply.body()).contains("The database does not answer.").contains(">app</span>");
      assertThat(reader().signIn("app", "app").body()).contains("The database does not answer.");
    } finally {
      server.startAgain();
    }
    assertThat(reader.get("/requests").statusCode()).isEqualTo(200);
  }
}
