package org.pgoffload.operations;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// Why a request waits, as `request_why` says it, and what Kafka adds to that.
///
/// @param row the columns of `request_why`
public record ReasonToWait(ObjectNode row) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// What stands before a request in its partition.
  ///
  /// @param unfinished records of the partition that the workers have not finished
  /// @param atLeast how many of them came before the request's; null where that is not known
  public record InKafka(
      String topic, int partition, String group, long unfinished, @Nullable Long atLeast) {}

  /// Asks the database.
  ///
  /// @param database a login that may see the request: the owner's, or one of its role
  /// @throws InstallException if there is no such request, or the database does not answer, in
  ///   words
  public static ReasonToWait read(ConnectAsPart database, long id) {
    try (var connection = database.connectAsPart("pgoffload why")) {
      Query.execute(connection, "set statement_timeout = '20s'");
      var schema =
          Query.row(
              connection,
              "select pg_catalog.quote_ident(value) from pgoffload.setting"
                  + " where name = 'public_schema'",
              row -> row.getString(1));
      return Query.row(
          connection,
          "select pg_catalog.to_json(w)::text from " + schema + ".request_why(?) w",
          row -> new ReasonToWait(parsed(row.getString(1))),
          id);
    } catch (SQLException e) {
      throw new InstallException(
          DatabaseFault.is(e, DatabaseFault.UNDEFINED_OBJECT)
              ? DatabaseFault.words(e)
              : "the database cannot be asked: " + DatabaseFault.words(e),
          e);
    }
  }

  private static ObjectNode parsed(String json) throws SQLException {
    try {
      return (ObjectNode) JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new SQLException("what the database says is no JSON", e);
    }
  }

  /// A column's text; empty where it is null.
  public Optional<String> text(String column) {
    return Optional.ofNullable(row.get(column))
        .filter(value -> !value.isNull())
        .map(v -> v.asText());
  }

  /// What Kafka says of the request's partition; empty where the answer names none.
  ///
  /// @throws ExecutionException if Kafka refuses
  /// @throws TimeoutException if it does not answer
  public Optional<InKafka> inKafka(Admin admin, TopicNames topics)
      throws ExecutionException, InterruptedException, TimeoutException {
    var number = row.path("detail").path("partition");
    if (!number.isInt()) {
      return Optional.empty();
    }
    var topic = text("kind").orElse("").equals("sql") ? topics.sqlRequests() : topics.llmRequests();
    var group = topics.workersOf(topic);
    var partition = new TopicPartition(topic, number.asInt());
    long end = of(admin, partition, OffsetSpec.latest());
    long from =
        Math.max(
            of(admin, partition, OffsetSpec.earliest()),
            TopicOffsets.committed(admin, group).getOrDefault(partition, 0L));
    var since = text("since");
    Long atLeast = null;
    if (since.isPresent()) {
      // its record came after it was asked: those before that moment stand before it
      long first =
          of(
              admin,
              partition,
              OffsetSpec.forTimestamp(
                  OffsetDateTime.parse(since.get()).toInstant().toEpochMilli()));
      atLeast = first < 0 ? null : Math.max(0, first - from);
    }
    return Optional.of(
        new InKafka(topic, partition.partition(), group, Math.max(0, end - from), atLeast));
  }

  private static long of(Admin admin, TopicPartition partition, OffsetSpec which)
      throws ExecutionException, InterruptedException, TimeoutException {
    return TopicOffsets.of(admin, List.of(partition), which).getOrDefault(partition, -1L);
  }
}
