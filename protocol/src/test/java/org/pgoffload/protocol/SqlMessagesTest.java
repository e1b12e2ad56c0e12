package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class SqlMessagesTest {
  static Stream<ResultMessage> messages() {
    return Stream.of(
        Samples.ANSWERED,
        Samples.EXPIRED,
        Samples.RETURNED,
        Samples.CHUNKED,
        Samples.REFUSED,
        Samples.ROWS,
        Samples.PIECE,
        Samples.WITHDRAWAL);
  }

  @ParameterizedTest
  @MethodSource("messages")
  void areReadAsTheyWereWritten(ResultMessage message) {
    assertThat(ResultMessage.read(message.write())).isEqualTo(message);
  }

  @ParameterizedTest
  @MethodSource("messages")
  void areReadWithFieldsOfANewerMinorVersion(ResultMessage message) {
    var json = text(message).replaceFirst("\\{", "{\"new\":[{\"kind\":\"inner\"}],");
    assertThat(read(json)).isEqualTo(message);
  }

  @ParameterizedTest
  @MethodSource("messages")
  void areToldFromThoseOfLlmsByTheirKind(ResultMessage message) {
    assertThat(ResultMessage.isOfLlm(message.write())).isEqualTo(message instanceof Result);
    assertThatThrownBy(() -> ResultMessage.isOfLlm("[1]".getBytes(UTF_8)))
        .isInstanceOf(MalformedMessageException.class);
  }

  @ParameterizedTest
  @MethodSource("messages")
  void areKeyedByTheRequestId(ResultMessage message) {
    assertThat(message.recordKey()).isEqualTo(Long.toString(message.id()));
  }

  @Test
  void leaveOutWhatHasNoValue() {
    assertThat(text(Samples.REFUSED))
        .isEqualTo(
            """
            {"version":1,"id":46,"kind":"sql","status":"failed","requested_by":"app",\
            "requested_by_oid":16400,"nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","attempt":1,\
            "tags":[],"chunks":0,"split":false,"error":{"sqlstate":"23505","message":"a secret is not unique",\
            "detail":"the key is there","hint":"take another","context":"line 1",\
            "schema":"public","table":"t","column":"c","datatype":"text","constraint":"t_c_key",\
            "position":17},"finished_at":"2026-01-02T03:04:06Z"}\
            """);
    assertThat(text(Samples.ROWS))
        .isEqualTo(
            """
            {"version":1,"id":45,"kind":"sql_rows","attempt":2,"number":1,\
            "requested_by_oid":16400,"rows":[["1",""],[null,"\ud83d\ude00"]]}\
            """);
    assertThat(text(Samples.PIECE))
        .isEqualTo(
            """
            {"version":1,"id":45,"kind":"sql_rows","attempt":2,"number":7,\
            "requested_by_oid":16400,"piece":"[[\\"the beginn","ends":false}\
            """);
  }

  @Test
  void haveTheirRowsAsUtf8Too() {
    var rows = new ArrayList<byte[] @Nullable []>();
    for (var row :
        List.of(Arrays.asList("1", "\"\\\n\u0001é\ud83d\ude00"), Arrays.asList(null, ""))) {
      rows.add(
          row.stream()
              .map(value -> value == null ? null : value.getBytes(UTF_8))
              .toArray(byte[][]::new));
    }
    assertThat(new String(SqlRows.write(45, new SqlRows.Place(2, 1), 16_400, rows), UTF_8))
        .isEqualTo(
            text(
                SqlRows.of(
                    45,
                    2,
                    1,
                    16_400,
                    List.of(List.of("1", "\"\\\n\u0001é\ud83d\ude00"), Arrays.asList(null, "")))));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "garbage", "[]", "null", "7", "{}", "{\"version\":1", "{\"kind\":7}"})
  void areNothingElse(String text) {
    assertThatThrownBy(() -> read(text))
        .isInstanceOfSatisfying(
            MalformedMessageException.class,
            e -> assertThat(e.reason()).isEqualTo(DeadLetterReason.MALFORMED));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          RETURNED | "version":1 | "version":2 | the version of a SQL result is not 1
          RETURNED | "id":44 | "id":0 | the id of a SQL result is not positive
          RETURNED | "succeeded" | "running" | the status of a SQL result is not a terminal one
          RETURNED | "succeeded" | null | the status of a SQL result is not a terminal one
          RETURNED | "succeeded" | "failed" | a SQL result has an error unless it succeeded
          RETURNED | "requested_by":"app", | '' | a SQL result does not name the role that asked
          RETURNED | "app" | "" | a SQL result does not name the role that asked
          RETURNED | _oid":16400 | _oid":0 | the requested_by_oid of a SQL result is no oid
          RETURNED | _oid":16400 | _oid":4294967296 | the requested_by_oid of a SQL result is no oid
          RETURNED | "attempt":1 | "attempt":-1 | the attempt of a SQL result is negative
          RETURNED | "tags": | "labels": | a SQL result has no command tags
          RETURNED | "name":"n", | '' | a column has no name
          RETURNED | "type_oid":23 | "type_oid":-1 | the type_oid of a column is no oid
          RETURNED | "integer" | "" | a column has no type
          RETURNED | "columns": | "other": | a SQL result has rows without columns
          RETURNED | ["1", | ["0","1", | a row has not a value for each column
          RETURNED | "chunks":0 | "chunks":-1 | the number of chunks of a SQL result is negative
          RETURNED | "chunks":0 | "chunks":1 | a SQL result has its rows or chunks of them
          RETURNED | "split":false | "split":true | a row of a SQL result is split over no chunks
          RETURNED | "WARNING" | "PANIC" | the severity of a notice is none of NOTICE, WARNING, INFO, LOG and DEBUG
          RETURNED | "01000" | "01" | the sqlstate of a notice is no SQLSTATE
          RETURNED | "message":"careful" | "words":"careful" | a notice has no message
          RETURNED | 06.5Z | 06.5 | the finished_at of a SQL result is not an ISO-8601 time
          RETURNED | "finished_at": | "at": | the finished_at of a SQL result is not an ISO-8601 time
          REFUSED  | "23505" | "2350x" | the sqlstate of an error is no SQLSTATE
          REFUSED  | "sqlstate":"23505", | '' | the sqlstate of an error is no SQLSTATE
          REFUSED  | "message": | "words": | an error has no message
          REFUSED  | "position":17 | "position":0 | the position of an error is less than 1
          REFUSED  | "error": | "fault": | a SQL result has an error unless it succeeded
          ROWS     | "version":1 | "version":2 | the version of SQL rows is not 1
          ROWS     | "id":45 | "id":-1 | the id of SQL rows is not positive
          ROWS     | "attempt":2 | "attempt":0 | the attempt of SQL rows is less than 1
          ROWS     | "number":1 | "number":0 | the number of SQL rows is less than 1
          ROWS     | _oid":16400 | _oid":4294967296 | the requested_by_oid of SQL rows is no oid
          ROWS     | "rows": | "other": | SQL rows are either rows or a piece of one
          ROWS     | "rows": | "piece":"p","rows": | SQL rows are either rows or a piece of one
          ROWS     | "rows": | "ends":true,"rows": | a piece of a row says whether it ends it
          ROWS     | "1" | {} | not the JSON of SQL rows of version 1
          ROWS     | ["1",""] | null | not the JSON of SQL rows of version 1
          PIECE    | ,"ends":false | '' | a piece of a row says whether it ends it
          PIECE    | beginn | beginn\\ud83d | a piece of a row is cut in a character
          PIECE    | "[[ | "\\ude00[[ | a piece of a row is cut in a character
          """)
  void sayWhatIsWrong(Sample sample, String right, String wrong, String words) {
    assertThatThrownBy(() -> sample.read(sample.with(right, wrong)))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessage(words);
  }

  @Test
  void mayBeCutAnywhereBetweenCharacters() {
    for (var piece : List.of("", "]]", "\ud83d\ude00")) {
      assertThat(SqlRows.piece(1, 1, 1, 1, piece, true).piece()).isEqualTo(piece);
    }
  }

  @Test
  void areNotChangedByWhatBecomesOfTheListTheyWereMadeOf() {
    var rows = new ArrayList<List<@Nullable String>>();
    rows.add(List.of("1"));
    var chunk = SqlRows.of(1, 1, 1, 1, rows);
    rows.clear();
    assertThat(chunk.rows()).containsExactly(List.of("1"));
  }

  @Test
  void keepNoNulInTheWordsOfAnError() {
    assertThat(SqlError.of("XX000", "a\u0000b", "c\u0000d", null))
        .isEqualTo(SqlError.of("XX000", "a\uFFFDb", "c\uFFFDd", null));
  }

  @Test
  void showNoContent() {
    assertThat(Samples.RETURNED).hasToString("SqlResult[id=44, status=succeeded]");
    assertThat(Samples.ROWS).hasToString("SqlRows[id=45, attempt=2, number=1]");
    assertThat(Samples.PIECE).hasToString("SqlRows[id=45, attempt=2, number=7]");
    assertThat(Samples.REFUSED.error()).hasToString("SqlError[sqlstate=23505]");
    assertThat(Samples.RETURNED.notices())
        .hasToString(
            "[SqlNotice[severity=NOTICE, sqlstate=00000],"
                + " SqlNotice[severity=WARNING, sqlstate=01000]]");
  }

  private static ResultMessage read(String json) {
    return ResultMessage.read(json.getBytes(UTF_8));
  }

  private static String text(ResultMessage message) {
    return new String(message.write(), UTF_8);
  }
}
