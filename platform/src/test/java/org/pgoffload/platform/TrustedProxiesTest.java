package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Who a reader is behind proxies.
final class TrustedProxiesTest {
  private static final TrustedProxies PROXIES =
      TrustedProxies.read("10.0.0.0/8, 192.0.2.7, 172.16.0.0/12, 2001:db8::/61");

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // the connection's own, where no proxy has opened it
        "198.51.100.1 | 203.0.113.9              | 198.51.100.1",
        "192.0.2.8    | 203.0.113.9              | 192.0.2.8",
        "172.32.0.1   | 203.0.113.9              | 172.32.0.1",
        "2001:db8:0:8::1 | 203.0.113.9           | 2001:db8:0:8:0:0:0:1",
        // behind one, and behind two
        "10.1.2.3     | 203.0.113.9              | 203.0.113.9",
        "192.0.2.7    | 203.0.113.9              | 203.0.113.9",
        "172.31.0.1   | 203.0.113.9              | 203.0.113.9",
        "2001:db8:0:7::1 | 203.0.113.9           | 203.0.113.9",
        "[2001:db8::1] | 203.0.113.9             | 203.0.113.9",
        "::ffff:10.1.2.3 | 203.0.113.9           | 203.0.113.9",
        "10.1.2.3     | 203.0.113.9, 10.9.9.9    | 203.0.113.9",
        "10.1.2.3     | 203.0.113.9:4711         | 203.0.113.9",
        "10.1.2.3     | [2001:db9::5]:4711       | 2001:db9:0:0:0:0:0:5",
        // what the reader has sent stands to the left of it
        "10.1.2.3     | 10.0.0.1, 203.0.113.9    | 203.0.113.9",
        "10.1.2.3     | 1.1.1.1, 203.0.113.9     | 203.0.113.9",
        // readers beside the proxies, and what is no address
        "10.1.2.3     | 10.4.4.4                 | 10.4.4.4",
        "10.1.2.3     | unknown                  | 10.1.2.3",
        "10.1.2.3     | 203.0.113.9, unknown     | 10.1.2.3",
        "10.1.2.3     | ''                       | 10.1.2.3"
      })
  void isTheLastThatIsNoTrustedProxy(String peer, String header, String reader) {
    assertThat(PROXIES.reader(peer, List.of(header))).isEqualTo(reader);
  }

  @Test
  void readsSeveralHeadersAsOne() {
    assertThat(PROXIES.reader("10.1.2.3", List.of("1.1.1.1", "203.0.113.9, 10.9.9.9")))
        .isEqualTo("203.0.113.9");
    assertThat(PROXIES.reader("10.1.2.3", List.of())).isEqualTo("10.1.2.3");
    assertThat(TrustedProxies.NONE.reader("10.1.2.3", List.of("203.0.113.9")))
        .isEqualTo("10.1.2.3");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"proxy.example", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "10.0.0.0/8/8"})
  void refusesWhatIsNoNetwork(String text) {
    assertThatThrownBy(() -> TrustedProxies.read(text))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
