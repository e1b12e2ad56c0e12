package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.time.InstantSource;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.worker.vendors.OllamaProvider;
import org.pgoffload.worker.vendors.entra.ReadEntraId;

class BaseUrlTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "http://h/v1                | /chat         | http://h/v1/chat",
        "http://h/v1//              | /chat         | http://h/v1/chat",
        "http://my_llm:81/?a=b      | /chat         | http://my_llm:81/chat?a=b",
        "http://h/v1/?a=/x/&b=%2F/  | /chat         | http://h/v1/chat?a=/x/&b=%2F/",
        "http://h?a=b               | /gen?alt=sse  | http://h/gen?alt=sse&a=b",
        "http://h/v1?               | /chat         | http://h/v1/chat",
        "http://h/v1                | /gen?alt=sse  | http://h/v1/gen?alt=sse"
      })
  void callsPathsBelowItWithItsQuery(String address, String path, String called) {
    assertThat(BaseUrl.of(address).at(path)).isEqualTo(URI.create(called));
  }

  @Test
  void showsNoQuery() {
    assertThat(BaseUrl.of("https://h/v1?key=secret")).hasToString("https://h/v1");
  }

  @Test
  void isTheSamePlaceWhateverTheQuery() {
    assertThat(BaseUrl.of("https://h/v1/?a=b").isAt(BaseUrl.of("https://h/v1"))).isTrue();
    assertThat(BaseUrl.of("https://h/v2").isAt(BaseUrl.of("https://h/v1"))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ftp://h",
        "h/v1",
        "http://",
        "http:///v1",
        "http://user@h",
        "http://user@my_llm",
        "http://h/#part",
        "http://h:99999",
        "http://my llm",
        "http://[fd00::zz]"
      })
  void refusesWhatIsNoAddressOfAnApi(String address) {
    assertThatThrownBy(() -> BaseUrl.of(address)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusesWhatNoCertificateCanName() {
    var variables =
        new ReadEnvironment(
            Map.of("A", "https://my_llm/v1", "B", "http://my_llm/v1", "C", "https://my-llm/v1"));

    assertThat(variables.url("A")).isNull();
    assertThat(variables.url("B")).isNotNull();
    assertThat(variables.url("C")).isNotNull();
    assertThat(variables.problems())
        .containsExactly(
            "A has a host that no certificate can name, such as one with an underscore: give it"
                + " another name, or use http");
  }

  @ParameterizedTest
  @CsvSource({
    "my_ollama, http://my_ollama:11434",
    "my_ollama:81, http://my_ollama:81",
    "[::1], http://[::1]:11434",
    "host/ollama/, http://host:11434/ollama",
    "host?key=1, http://host:11434?key=1",
    "https://ollama.example/?key=1, https://ollama.example?key=1"
  })
  void readsAHostAsOllamaDoes(String host, String address) {
    var variables = new ReadEnvironment(Map.of("OLLAMA_HOST", host, "OLLAMA_MODEL", "m"));
    try (var http = new PostJson(HttpSettings.defaults(), InstantSource.system())) {
      var provider = Objects.requireNonNull(OllamaProvider.from(variables, http));

      assertThat(variables.problems()).isEmpty();
      assertThat(provider.baseUrl().uri()).isEqualTo(URI.create(address));
    }
  }

  @Test
  void anAuthorityOfEntraIdHasNoQuery() {
    var variables =
        new ReadEnvironment(Map.of("AZURE_AUTHORITY_HOST", "https://login.example?a=b"));
    try (var http = new PostJson(HttpSettings.defaults(), InstantSource.system())) {
      ReadEntraId.from(variables, http);

      assertThat(variables.problems())
          .contains("AZURE_AUTHORITY_HOST takes no query: set it to https://host");
    }
  }
}
