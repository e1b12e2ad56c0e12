package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Result;

/// The table of results takes every field of the message: the write-back fills columns by their
/// names, and would leave out a field that has none.
final class ResultColumnsTest extends OnPostgresVersions {
  /// Fields that say what the message is, or repeat the request and its claim.
  private static final Set<String> OF_THE_MESSAGE =
      Set.of("version", "requested_by", "nonce", "maintained");

  /// A field that is kept as the answer.
  private static final String CHUNKS = "chunks";

  @Test
  void areTheFieldsOfTheMessage() throws IOException {
    var fields = new TreeSet<String>();
    try (var schema =
        Objects.requireNonNull(Result.class.getResourceAsStream("result.v1.schema.json"))) {
      new ObjectMapper()
          .readTree(schema)
          .get("properties")
          .fieldNames()
          .forEachRemaining(fields::add);
    }
    fields.removeAll(OF_THE_MESSAGE);
    fields.remove(CHUNKS);
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select attname from pg_attribute
                    where attrelid = 'pgoffload.llm_result'::regclass and attnum > 0 and not attisdropped
                    """))
        .containsExactlyInAnyOrderElementsOf(fields);
  }
}
