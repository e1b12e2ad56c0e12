package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ConnectionParametersTest {
  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          application_name, shop, ApplicationName, shop
          channel_binding, require, channelBinding, require
          connect_timeout, 3, connectTimeout, 3
          connect_timeout, 3, loginTimeout, 6
          connect_timeout, 0, connectTimeout, 0
          gssencmode, disable, gssEncMode, disable
          gsslib, gssapi, gsslib, gssapi
          keepalives, 0, tcpKeepAlive, false
          keepalives, 1, tcpKeepAlive, true
          krbsrvname, pg, kerberosServerName, pg
          load_balance_hosts, random, loadBalanceHosts, true
          options, -c geqo=off, options, -c geqo=off
          require_auth, scram-sha-256, requireAuth, scram-sha-256
          require_auth, '!password,!md5', requireAuth, '!password,!md5'
          sslcert, /c, sslcert, /c
          sslkey, /k, sslkey, /k
          sslmode, verify-ca, sslmode, verify-ca
          sslnegotiation, postgres, sslNegotiation, postgres
          sslpassword, p, sslpassword, p
          sslrootcert, /r, sslrootcert, /r
          sslrootcert, system, sslmode, verify-full
          sslrootcert, system, sslfactory, org.postgresql.ssl.DefaultJavaSSLFactory
          target_session_attrs, any, targetServerType, primary
          target_session_attrs, primary, targetServerType, primary
          target_session_attrs, read-write, targetServerType, primary
          localSocketAddress, ::1, localSocketAddress, ::1
          """)
  void reachesTheDriverByItsNameThere(
      String name, String value, String property, String propertysValue) {
    assertThat(ConnectionParameters.properties(Map.of(name, value), 2))
        .containsEntry(property, propertysValue);
  }

  @Test
  void anAuthorityThatIsNamedIsAskedAlsoWhereOnlyEncryptionIsRequired() {
    assertThat(
            ConnectionParameters.properties(Map.of("sslmode", "require", "sslrootcert", "/r"), 1))
        .isEqualTo(Map.of("sslmode", "verify-ca", "sslrootcert", "/r"));
    assertThat(ConnectionParameters.properties(Map.of("sslmode", "require"), 1))
        .isEqualTo(Map.of("sslmode", "require"));
  }

  @Test
  void oneServerHasToTakeWritesOnlyWhereTheAddressSaysSo() {
    assertThat(ConnectionParameters.properties(Map.of(), 1)).isEmpty();
    assertThat(ConnectionParameters.properties(Map.of("target_session_attrs", "read-write"), 1))
        .containsEntry("targetServerType", "primary");
  }

  @ParameterizedTest
  @CsvSource({
    "client_encoding, UTF8",
    "fallback_application_name, shop",
    "gssdelegation, 0",
    "max_protocol_version, latest",
    "min_protocol_version, 3.0",
    "ssl_max_protocol_version, TLSv1.3",
    "ssl_min_protocol_version, TLSv1.2",
    "sslcertmode, allow",
    "sslcompression, 0",
    "sslsni, 1",
    "tcp_user_timeout, 0"
  })
  void saysWhatIsSoInAnyCase(String name, String value) {
    assertThat(ConnectionParameters.properties(Map.of(name, value), 1)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "channel_binding, always",
    "client_encoding, LATIN1",
    "connect_timeout, soon",
    "gssdelegation, 1",
    "gssencmode, maybe",
    "hostaddr, 10.0.0.1",
    "keepalives_count, 3",
    "keepalives_idle, 3",
    "keepalives_interval, 3",
    "load_balance_hosts, maybe",
    "max_protocol_version, 2.0",
    "min_protocol_version, 3.2",
    "oauth_client_id, x",
    "oauth_client_secret, x",
    "oauth_issuer, x",
    "oauth_scope, x",
    "passfile, /p",
    "replication, database",
    "require_auth, oauth",
    "requirepeer, postgres",
    "requiressl, 1",
    "scram_client_key, x",
    "scram_server_key, x",
    "service, shop",
    "ssl_max_protocol_version, TLSv1.2",
    "ssl_min_protocol_version, TLSv1.3",
    "sslcertmode, require",
    "sslcompression, 1",
    "sslcrl, /c",
    "sslcrldir, /c",
    "sslkeylogfile, /l",
    "sslmode, verify",
    "sslnegotiation, direct",
    "sslsni, 0",
    "target_session_attrs, standby",
    "tcp_user_timeout, 3",
    "currentSchema, evil",
    "readOnly, true",
    "no_such_parameter, x"
  })
  void isRefusedByNameWhereItWouldBeDropped(String name, String value) {
    assertThatThrownBy(() -> DatabaseAddress.parse("postgresql://app@h/d?" + name + "=" + value))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("connection parameter " + name);
  }

  @Test
  void everyProblemIsSaidAtOnce() {
    assertThatThrownBy(() ->
            DatabaseAddress.parse(
                "postgresql://app@h/d?sslcrl=/c&ssl_min_protocol_version=TLSv1.3"))
        .hasMessageContaining("sslcrl")
        .hasMessageContaining("ssl_min_protocol_version");
  }

  @Test
  void thatWhichNeedsEncryptionDoesNotDoWithout() {
    assertThat(
            ConnectionParameters.properties(
                Map.of("sslmode", "require", "sslnegotiation", "direct"), 1))
        .containsEntry("sslNegotiation", "direct");
    assertThatThrownBy(() ->
            ConnectionParameters.properties(
                Map.of("sslmode", "require", "sslrootcert", "system"), 1))
        .hasMessageContaining("sslmode=verify-full");
  }

  /// As PostgreSQL 18 documents them.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "passfile",
        "require_auth",
        "channel_binding",
        "connect_timeout",
        "client_encoding",
        "options",
        "application_name",
        "fallback_application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "replication",
        "gssencmode",
        "sslmode",
        "requiressl",
        "sslnegotiation",
        "sslcompression",
        "sslcert",
        "sslkey",
        "sslkeylogfile",
        "sslpassword",
        "sslcertmode",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "requirepeer",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "min_protocol_version",
        "max_protocol_version",
        "krbsrvname",
        "gsslib",
        "gssdelegation",
        "scram_client_key",
        "scram_server_key",
        "service",
        "target_session_attrs",
        "load_balance_hosts",
        "oauth_issuer",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scope"
      })
  void everyParameterOfLibpqIsInTheDocumentation(String name) throws IOException {
    assertThat(Files.readString(Path.of("../docs/connections.md"))).contains("`" + name + "`");
  }
}
