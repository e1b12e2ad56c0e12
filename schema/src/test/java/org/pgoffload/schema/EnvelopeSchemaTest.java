package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.Routing;

/// What the database sends is what the protocol's schema describes.
final class EnvelopeSchemaTest extends OnPostgresVersions {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "insert into llm_request (prompt) values ('p')",
        "insert into llm_request (messages) values ('[{\"role\": \"user\", \"content\": \"c\"}]')",
        """
        insert into llm_request (prompt, system, messages, model, options, timeout, ordering_key, tags)
        values ('p', 's', '[{"role": "assistant", "content": "c"}]', 'm',
                '{"temperature": 0.5, "max_output_tokens": 10}', '1 day', 'k', '{"a": null}')
        """,
        """
        insert into llm_request (messages) values ('[{"role": "user", "content": [
          {"type": "text", "text": "t"}, {"type": "image", "url": "https://a.example/b"},
          {"type": "image", "data": "QUI=", "media_type": "image/png"}]}]')
        """,
        "select llm_submit('p', timeout => '1 microsecond')",
        """
        select llm_submit('p', provider => 'azure_openai', response_schema => '{"type": "object"}',
          options => '{"stop": ["a"], "reasoning_effort": "low", "stream": false, "cache": "1 h"}')
        """,
        "insert into llm_request (kind, inputs, options) values ('embed', '{a,b}', '{\"dimensions\": 3}')",
        "insert into llm_request (kind, prompt, provider) values ('embed', 'a', 'p')",
        "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null, null, null, null, null)",
        "set pgoffload.traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'; select llm_submit('p')"
      })
  void validates(String statement) throws IOException {
    try (var app = database.open("app");
        var schema =
            Objects.requireNonNull(Envelope.class.getResourceAsStream("request.v1.schema.json"))) {
      app.run(statement);
      assertThat(
              SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                  .getSchema(schema)
                  .validate(database.onlySent().text(), InputFormat.JSON))
          .isEmpty();
    }
  }

  @Test
  void hasItsRoutingFieldsWhereTheTransformReadsThem() {
    try (var app = database.open("app")) {
      app.run(
          "set datestyle = 'ISO, DMY'; set intervalstyle = 'sql_standard'; set timezone = 'Asia/Kolkata'; set extra_float_digits = -15");
      var id =
          app.number(
              "insert into llm_request (prompt, ordering_key) values ('p', 'k') returning id");
      var request = database.onlySent();
      assertThat(Routing.read(request.bytes())).isEqualTo(new Routing(id, "ask", null, null, "k"));
      var late =
          app.number("select extract(epoch from clock_timestamp())::bigint")
              - request.envelope().signedAt().getEpochSecond();
      assertThat(late).isBetween(-1L, 30L);
    }
  }

  @Test
  void namesTheTraceOfTheSessionIfThatIsOne() {
    try (var app = database.open("app")) {
      app.run(
          "set pgoffload.traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'");
      app.run("select llm_submit('p')");
      assertThat(Routing.read(database.onlySent().bytes()).traceparent())
          .isEqualTo("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    }
    try (var app = database.open("app")) {
      app.run("set pgoffload.traceparent = '\"; drop table x --'");
      app.run("select llm_submit('p')");
      assertThat(Routing.read(database.onlySent().bytes()).traceparent()).isNull();
    }
  }
}
