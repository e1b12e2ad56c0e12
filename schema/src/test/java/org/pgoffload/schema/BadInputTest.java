package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What is refused, in words that help, with nothing sent.
final class BadInputTest extends OnPostgresVersions {
  private Session app;

  @BeforeEach
  void logIn() {
    app = closedAfterTheTest(database.open("app"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "prompt | '' | the prompt of an llm_request must not be empty | Give the text",
        "prompt | E' \\t\\r\\n ' | the prompt of an llm_request must not be empty | Give the text",
        "prompt | U&'\\3000\\2028' | the prompt of an llm_request must not be empty | Give the text",
        "prompt | null | the prompt of an llm_request must not be empty | Give the text",
        "options | '[1]' | options must be a JSON object, not a JSON array | For example",
        "options | 'null' | options must be a JSON object, not a JSON null | For example",
        "options | '{\"temprature\": 1}' | unknown option \"temprature\" | The options of kind ask are temperature, max_output_tokens, stop, reasoning_effort, stream and cache.",
        "options | '{\"temperature\": \"hot\"}' | the option temperature must be a number from 0 to 2 | ``",
        "options | '{\"temperature\": 2.1}' | the option temperature must be a number from 0 to 2 | ``",
        "options | '{\"max_output_tokens\": 0}' | the option max_output_tokens must be a positive integer | ``",
        "options | '{\"max_output_tokens\": 1.5}' | the option max_output_tokens must be a positive integer | ``",
        "options | '{\"max_output_tokens\": null}' | the option max_output_tokens must be a positive integer | ``",
        "options | '{\"max_output_tokens\": 3000000000}' | the option max_output_tokens must be a positive integer | ``",
        "options | '{\"stop\": \"\"}' | the option stop must be a text or an array of 1 to 4 texts, none of them empty | For example",
        "options | '{\"stop\": []}' | the option stop must be a text or an array of 1 to 4 texts, none of them empty | For example",
        "options | '{\"stop\": [\"a\", \"\"]}' | the option stop must be a text or an array of 1 to 4 texts, none of them empty | For example",
        "options | '{\"stop\": [\"a\", 7]}' | the option stop must be a text or an array of 1 to 4 texts, none of them empty | For example",
        "options | '{\"stop\": [\"1\", \"2\", \"3\", \"4\", \"5\"]}' | the option stop must be a text or an array of 1 to 4 texts, none of them empty | For example",
        "options | '{\"stop\": null}' | the option stop must be a text or an array of 1 to 4 texts, none of them empty | For example",
        "options | '{\"reasoning_effort\": \"extreme\"}' | the option reasoning_effort must be none, minimal, low, medium, high or xhigh | Leave it out",
        "options | '{\"reasoning_effort\": null}' | the option reasoning_effort must be none, minimal, low, medium, high or xhigh | Leave it out",
        "options | '{\"stream\": \"true\"}' | the option stream must be true or false | ``",
        "options | '{\"cache\": \"soon\"}' | the option cache must be an interval, as text, of more than 0 and at most 7 days | For example",
        "options | '{\"cache\": 60}' | the option cache must be an interval, as text, of more than 0 and at most 7 days | For example",
        "options | '{\"cache\": \"0 s\"}' | the option cache must be an interval, as text, of more than 0 and at most 7 days | For example",
        "options | '{\"cache\": \"-1 h\"}' | the option cache must be an interval, as text, of more than 0 and at most 7 days | For example",
        "options | '{\"cache\": \"8 days\"}' | the option cache must be an interval, as text, of more than 0 and at most 7 days | For example",
        "options | '{\"dimensions\": 3}' | unknown option \"dimensions\" | The options of kind ask are",
        "options, response_schema | '{\"stream\": true}', '{}' | the option stream does not go with a response_schema | Leave one",
        "response_schema | '[]' | response_schema must be a JSON object, not a JSON array | For example",
        "response_schema | 'null' | response_schema must be a JSON object, not a JSON null | For example",
        "response_schema | concat('{\"a\":', repeat('[', 70), repeat(']', 70), '}')::jsonb | response_schema must not be nested deeper than 64 levels | ``",
        "inputs | '{i}' | inputs is for requests of kind embed and rerank | To have texts embedded",
        "provider | '' | provider must be a name such as openai or azure_openai, not \"\" | Leave it out",
        "provider | 'Open AI' | provider must be a name such as openai or azure_openai, not \"Open AI\" | Leave it out",
        "retry_of | 4711 | retry_of must be the id of a request that the role may see, which 4711 is not | llm_retry sets it.",
        "model | U&'\\2003' | model must not be empty | Leave it out",
        "timeout | '0' | timeout must be more than 0 and at most 1 day, not 00:00:00 | ``",
        "timeout | '-1 s' | timeout must be more than 0 and at most 1 day, not -00:00:01 | ``",
        "timeout | '25 hours' | timeout must be more than 0 and at most 1 day, not 25:00:00 | ``",
        "model | '' | model must not be empty | Leave it out",
        "model | '  ' | model must not be empty | Leave it out",
        "tags | '[]' | tags must be a JSON object, not a JSON array | For example",
        "ordering_key | '' | ordering_key must be 1 to 1024 bytes long | ``",
        "ordering_key | repeat('ä', 513) | ordering_key must be 1 to 1024 bytes long | ``",
        "messages | '{}' | messages must be a JSON array with at least one element | For example",
        "messages | '[]' | messages must be a JSON array with at least one element | For example",
        "messages | '[7]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"system\", \"content\": \"c\"}]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"user\"}]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"user\", \"content\": 7}]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"user\", \"content\": \" \"}]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"user\", \"content\": \"c\", \"name\": \"n\"}]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"user\", \"content\": []}]' | each message must be an object with a role and a content that is not empty | The roles are",
        "messages | '[{\"role\": \"user\", \"content\": [7]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [[]]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [\"a\"]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [null]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{}]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"video\"}]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": null}]}]' | each part of a message must be an object of the type text or image | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]' | each part of type text must have a text that is not empty, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \" \"}]}]' | each part of type text must have a text that is not empty, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": 7}]}]' | each part of type text must have a text that is not empty, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\", \"url\": \"b\"}]}]' | each part of type text must have a text that is not empty, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\"}]}]' | each part of type image must have either url or data, may have media_type, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example/b\", \"data\": \"QUJD\", \"media_type\": \"image/png\"}]}]' | each part of type image must have either url or data, may have media_type, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example/b\", \"detail\": \"high\"}]}]' | each part of type image must have either url or data, may have media_type, and no other field | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"QUJD\"}]}]' | the media_type of an image, which data needs, must be image/png, image/jpeg, image/gif or image/webp | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"QUJD\", \"media_type\": \"image/svg+xml\"}]}]' | the media_type of an image, which data needs, must be image/png, image/jpeg, image/gif or image/webp | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"QUJD\", \"media_type\": null}]}]' | the media_type of an image, which data needs, must be image/png, image/jpeg, image/gif or image/webp | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example/b\", \"media_type\": \"text/html\"}]}]' | the media_type of an image, which data needs, must be image/png, image/jpeg, image/gif or image/webp | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"http://a.example/b\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"file:///etc/passwd\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"data:image/png;base64,QUJD\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"HTTPS://a.example/b\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https:///b\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://me@a.example/b\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example\\\\@b\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example/b c\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example/ä\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": \"https://a.example/\\n\"}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": 7}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"url\": null}]}]' | the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"\", \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"QUJ\", \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"QUJD\\n\", \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"Q=JD\", \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"QUJ-\", \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"====\", \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": 7, \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
        "messages | '[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": null, \"media_type\": \"image/png\"}]}]' | the data of an image must be its bytes in base64, padded and without line breaks | For example",
      })
  void refusesAnInvalidColumn(String column, String value, String message, String hint) {
    var insert =
        column.equals("prompt")
            ? "insert into llm_request (prompt) values (" + value + ")"
            : "insert into llm_request (prompt, " + column + ") values ('p', " + value + ")";
    var error = app.refused(insert);
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message()).isEqualTo(message);
    assertThat(error.hint()).startsWith(hint);
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "prompt | null | an llm_request of kind embed needs an input that is not empty | Give the texts",
        "prompt | ' ' | an llm_request of kind embed needs an input that is not empty | Give the texts",
        "prompt, inputs | 'p', '{i}' | an llm_request of kind embed has its texts in inputs or one of them in prompt, not in both | ``",
        "inputs | '{}' | inputs must be an array of one dimension with 1 to 100000 texts | Split",
        "inputs | '{{a,b},{c,d}}' | inputs must be an array of one dimension with 1 to 100000 texts | Split",
        "inputs | array_fill('i'::text, array[100001]) | inputs must be an array of one dimension with 1 to 100000 texts | Split",
        "inputs | '{a,\"\"}' | input 2 of 2 is empty | No model takes an empty text",
        "inputs | '{a,b,null}' | input 3 of 3 is empty | No model takes an empty text",
        "inputs | array[U&'\\2003', 'a'] | input 1 of 2 is empty | No model takes an empty text",
        "inputs, system | '{i}', 's' | system is not for requests of kind embed | They have inputs",
        "inputs, messages | '{i}', '[]' | messages is not for requests of kind embed | They have inputs",
        "inputs, response_schema | '{i}', '{}' | response_schema is not for requests of kind embed | They have inputs",
        "inputs, options | '{i}', '{\"temperature\": 1}' | unknown option \"temperature\" | The options of kind embed are dimensions and cache.",
        "inputs, options | '{i}', '{\"dimensions\": 0}' | the option dimensions must be a positive integer | How many",
        "inputs, options | '{i}', '{\"cache\": \"\"}' | the option cache must be an interval, as text, of more than 0 and at most 7 days | For example",
      })
  void refusesAnInvalidColumnOfARequestForEmbeddings(
      String columns, String values, String message, String hint) {
    var error =
        app.refused(
            "insert into llm_request (kind, " + columns + ") values ('embed', " + values + ")");
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message()).isEqualTo(message);
    assertThat(error.hint()).startsWith(hint);
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void takesEveryOptionAtItsLimits() {
    for (var options :
        new String[] {
          "{\"stop\": \"END\", \"reasoning_effort\": \"none\", \"stream\": true, \"cache\": \"7 days\"}",
          "{\"stop\": [\"1\", \"2\", \"3\", \"4\"], \"reasoning_effort\": \"xhigh\", \"stream\": false, \"cache\": \"1 ms\"}",
          "{\"max_output_tokens\": 2147483647, \"temperature\": 2}",
          "{}"
        }) {
      app.run("insert into llm_request (prompt, options) values ('p', ?::jsonb)", options);
      assertThat(database.onlySent().envelope().payload().path("options"))
          .isEqualTo(PlayedSqlWorker.json(options));
    }
    app.run(
        "insert into llm_request (kind, inputs) values ('embed', array_fill('i'::text, array[100000]))");
    assertThat(database.onlySent().envelope().payload().path("inputs")).hasSize(100_000);
  }

  @Test
  void takesTheRetentionOfTheInstallationForTheOldestAnswerOfTheCache() {
    database.admin().run("update pgoffload.setting set value = '1 h' where name = 'retention'");
    try {
      var insert =
          "insert into llm_request (prompt, options) values ('p', '{\"cache\": \"61 min\"}')";
      assertThat(app.refused(insert).message()).endsWith("at most 01:00:00");
    } finally {
      database
          .admin()
          .run("update pgoffload.setting set value = '7 days' where name = 'retention'");
    }
  }

  @Test
  void refusesAConversationThatEndsWithTheAssistant() {
    var error =
        app.refused(
            "insert into llm_request (messages) values ('[{\"role\": \"assistant\", \"content\": \"c\"}]')");
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message()).isEqualTo("without a prompt, the last message must be the user's");
  }

  @Test
  void takesAConversationWithoutAPrompt() {
    app.run(
        "insert into llm_request (messages) values ('[{\"role\": \"user\", \"content\": \"c\"}]')");
    assertThat(database.onlySent().envelope().payload())
        .hasToString("{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}");
  }

  @Test
  void refusesAnImageOfTheAssistant() {
    var error =
        app.refused(
            """
            insert into llm_request (prompt, messages) values ('p', '[{"role": "assistant",
              "content": [{"type": "image", "url": "https://a.example/b"}]}]')\
            """);
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message()).isEqualTo("the content of an assistant's message must be a text");
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"type\": \"text\", \"text\": \"a\"}",
        "{\"type\": \"image\", \"url\": \"https://a.example\"}",
        "{\"type\": \"image\", \"url\": \"https://[::1]:8443/?b=c%20d&e={}#f\", \"media_type\": \"image/webp\"}",
        "{\"type\": \"image\", \"data\": \"QUI=\", \"media_type\": \"image/gif\"}"
      })
  void takesAMessageOfPartsWithoutAPrompt(String part) {
    app.run(
        "insert into llm_request (messages) values (jsonb_build_array(jsonb_build_object('role', 'user', 'content', jsonb_build_array(?::jsonb))))",
        part);
    assertThat(
            database
                .onlySent()
                .envelope()
                .payload()
                .path("messages")
                .path(0)
                .path("content")
                .path(0))
        .isEqualTo(PlayedSqlWorker.json(part));
  }

  @Test
  void refusesAKindThatItDoesNotKnow() {
    assertThat(app.refused("insert into llm_request (prompt, kind) values ('p', 'guess')").state())
        .isEqualTo("22023");
    assertThat(
            app.refused(
                    "select pgoffload.emit_llm_request('guess', 'p', null, null, null, null, null, null, null, null, null, null)")
                .state())
        .isEqualTo("22023");
    assertThat(
            app.refused(
                    "select pgoffload.emit_llm_request(null, 'p', null, null, null, null, null, null, null, null, null, null)")
                .state())
        .isEqualTo("22023");
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llm_ask('') | 22023",
        "llm_ask(null) | 22023",
        "llm_ask('p', ' ') | 22023",
        "llm_ask('p', options => '{\"unknown\": 1}') | 22023",
        "llm_ask('p', options => 'garbage') | 22P02",
        "llm_ask('p', timeout => '0') | 22023",
        "llm_ask('p', timeout => 'soon') | 22007",
        "llm_submit('') | 22023",
        "llm_submit('p', provider => 'Open AI') | 22023",
        "llm_submit('p', response_schema => '7') | 22023",
        "llm_ask('p', provider => '') | 22023",
        "llm_ask_json('p', null) | 22023",
        "llm_ask_json('', '{}') | 22023",
        "llm_ask_json('p', '{}', options => '{\"stream\": true}') | 22023",
        "llm_embed('') | 22023",
        "llm_embed(null) | 22023",
        "llm_embed('i', dimensions => -1) | 22023",
        "llm_embed(array['i', '']) | 22023",
        "llm_embed(array[]::text[]) | 22023",
        "llm_submit('p', tags => '7') | 22023",
      })
  void refusesTheSameInACall(String call, String state) {
    assertThat(app.refused("select " + call).state()).isEqualTo(state);
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"soon", "17 parsecs"})
  void refusesASettingThatIsNoInterval(String timeout) {
    app.run("select set_config('llm.timeout', ?, false)", timeout);
    for (var statement :
        new String[] {"insert into llm_request (prompt) values ('p')", "select llm_ask('p')"}) {
      assertThat(app.refused(statement))
          .isEqualTo(
              new SqlError(
                  "22023",
                  "the setting llm.timeout is not an interval: \"" + timeout + "\"",
                  "",
                  "For example: set llm.timeout = '30 s'"));
    }
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"-1 s", "0 s", "2 days"})
  void refusesASettingOutOfRangeLikeAnArgument(String timeout) {
    app.run("select set_config('llm.timeout', ?, false)", timeout);
    for (var statement :
        new String[] {"insert into llm_request (prompt) values ('p')", "select llm_ask('p')"}) {
      var error = app.refused(statement);
      assertThat(error.state()).isEqualTo("22023");
      assertThat(error.message()).contains("must be more than 0 and at most 1 day");
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void refusesAWrongProviderAlsoFromTheSetting() {
    app.run("set llm.provider = 'Open AI'");
    for (var statement :
        new String[] {"insert into llm_request (prompt) values ('p')", "select llm_ask('p')"}) {
      assertThat(app.refused(statement).message()).startsWith("provider must be a name");
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void refusesABlankModelAlsoFromTheSetting() {
    app.run("set llm.model = '  '");
    for (var statement :
        new String[] {"insert into llm_request (prompt) values ('p')", "select llm_ask('p')"}) {
      assertThat(app.refused(statement).message()).isEqualTo("model must not be empty");
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void takesAPromptOfFiveMegabytes() {
    var prompt = "abcdefghijklmnop".repeat(5 << 16);
    app.run("insert into llm_request (prompt) values (?)", prompt);
    assertThat(database.onlySent().envelope().payload().path("prompt").textValue())
        .isEqualTo(prompt);
  }

  @Test
  void refusesWhatIsTooLargeAndNamesTheLimit() {
    var error =
        app.refused("insert into llm_request (prompt) select repeat('x', 16 * 1024 * 1024)");
    assertThat(error.state()).isEqualTo("54000");
    assertThat(error.message())
        .matches("the request is too large: \\d+ bytes as JSON, the limit is 16777216 bytes");
    assertThat(error.hint()).contains("max_request_bytes");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void refusesNulAndInvalidUtf8() {
    assertThat(app.refused("insert into llm_request (prompt) values (?)", "a\u0000b").state())
        .isEqualTo("22021");
    assertThat(
            app.refused("insert into llm_request (prompt) values (convert_from('\\xff', 'UTF8'))")
                .state())
        .isEqualTo("22021");
    // as psql sends bytes that its terminal gave it
    assertThat(app.refused("insert into llm_request (prompt) values (E'\\xc3\\x28')").state())
        .isEqualTo("22021");
    assertThat(
            app.refused(
                    "insert into llm_request (prompt, tags) values ('p', '{\"a\": \"\\u0000\"}')")
                .state())
        .isEqualTo("22P05");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void sendsEveryOtherCharacter() {
    var prompt = "\u0001 \" \\ \n \t 𝄞 \uFFFF \u200B 世界";
    app.run("insert into llm_request (prompt) values (?)", prompt);
    var request = database.onlySent();
    assertThat(request.envelope().payload().path("prompt").textValue()).isEqualTo(prompt);
    assertThat(request.text().getBytes(StandardCharsets.UTF_8)).isEqualTo(request.bytes());
  }

  @Test
  void refusesTagsThatAreNestedWithoutEnd() {
    var levels = 200;
    var nested = "{\"a\":".repeat(levels) + "1" + "}".repeat(levels);
    var error =
        app.refused("insert into llm_request (prompt, tags) values ('p', ?::jsonb)", nested);
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message()).isEqualTo("tags must not be nested deeper than 64 levels");
    app.run(
        "insert into llm_request (prompt, tags) values ('p', '{\"a\": {\"b\": [1, {\"c\": 2}]}}')");
    assertThat(database.sent()).hasSize(1);
  }

  @Test
  void sendsTagsThatTheWorkerCanReadHoweverLong() {
    app.run(
        """
        insert into llm_request (prompt, tags)
        values ('p', jsonb_build_object(repeat('n', 60000), repeat('1', 100000)::numeric))
        """);
    assertThat(
            database
                .onlySent()
                .envelope()
                .payload()
                .path("tags")
                .path("n".repeat(60_000))
                .isNumber())
        .isTrue();
  }
}
