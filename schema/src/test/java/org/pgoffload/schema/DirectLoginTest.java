package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.PoolerException;

/// What answers a part's login. PartsBehindPoolersTest has PgBouncer itself.
class DirectLoginTest extends OnPostgresVersions {
  private static final Duration SILENCE = Duration.ofSeconds(20);

  @Test
  void aPoolerIsRefusedWhateverProcessNumberItTells() throws IOException {
    try (var pooler = AnsweringProxy.pooler(database.address());
        var honest = AnsweringProxy.poolerThatTellsTheProcess(database.address())) {
      for (var address : List.of(pooler.address(), honest.address())) {
        assertThatThrownBy(() -> address.connectAsPart("test"))
            .isInstanceOf(PoolerException.class)
            .hasMessageStartingWith("pooled_connection: a pooler, such as PgBouncer, answers for");
        assertThatThrownBy(() -> address.connectForReplication("test", SILENCE))
            .isInstanceOf(PoolerException.class);
      }
    }
  }

  @Test
  void aProxyThatPassesTheWholeLoginOnIsTaken() throws IOException, SQLException {
    try (var proxy = AnsweringProxy.transparent(database.address());
        var part = proxy.address().connectAsPart("test");
        var replication = proxy.address().connectForReplication("test", SILENCE)) {
      assertThat(part.isValid(1)).isTrue();
      assertThat(replication.isValid(1)).isTrue();
    }
  }
}
