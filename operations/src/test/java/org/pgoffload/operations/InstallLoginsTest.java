package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.OnPostgresVersions;

final class InstallLoginsTest extends OnPostgresVersions {
  @Test
  void letsARoleLogInWithThePasswordAndWithANewOneAfterwards() throws SQLException {
    var role = database.address().database() + "_part";
    database.admin().run("create role " + role);

    var first = Secret.of("first ' one");
    assertThat(InstallLogins.run(database.address(), Map.of(role, first)))
        .containsExactly("role " + role + " may log in");
    database.address().as(role, first).connect("test").close();

    var second = Secret.of("another");
    assertThat(InstallLogins.run(database.address(), Map.of(role, second))).isEmpty();
    database.address().as(role, second).connect("test").close();
    assertThatThrownBy(() -> database.address().as(role, first).connect("test"))
        .isInstanceOf(SQLException.class);
  }

  @Test
  void saysWhichRoleIsMissing() {
    assertThatThrownBy(
            () -> InstallLogins.run(database.address(), Map.of("no_such_part", Secret.of("p"))))
        .isInstanceOf(InstallException.class)
        .hasMessageContaining("no_such_part");
  }
}
