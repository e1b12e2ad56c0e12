package org.pgoffload.worker.sql;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.pgoffload.worker.sql.sessions.TaskLogin;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/// RunTaskTest has the refusals of a real server.
final class AdviseLoginTest {
  private static final TaskLogin ROLE = new TaskLogin(16_384, "Va", false, "");

  private static PSQLException refusal(String state, String routine) {
    return new PSQLException(
        new ServerErrorMessage("SFATAL\0C" + state + "\0Mnein\0R" + routine + "\0"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          42501 | CheckMyDatabase         | grant connect on database shop to "Va"
          53300 | InitializeSessionUserId | alter role "Va" connection limit
          53300 | CheckMyDatabase         | alter database shop connection limit
          53300 | InitProcess             | see max_connections
          55000 | CheckMyDatabase         | alter database shop allow_connections true
          28000 | InitializeSessionUserId | alter role "Va" login
          28000 | ClientAuthentication    | pg_hba.conf
          28P01 | auth_failed             | an entry in its password file
          """)
  void namesWhatToGrantOrAlter(String state, String routine, String advice) {
    assertThat(AdviseLogin.hint(refusal(state, routine), ROLE, "shop")).contains(advice);
  }

  @Test
  void namesAPasswordThatHasExpired() {
    assertThat(
            AdviseLogin.hint(
                refusal("28P01", "auth_failed"), new TaskLogin(16_384, "va", true, ""), "shop"))
        .startsWith("Its password has expired.")
        .contains("alter role va valid until");
  }
}
