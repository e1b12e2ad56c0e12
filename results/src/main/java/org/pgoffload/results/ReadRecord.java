package org.pgoffload.results;

import java.time.DateTimeException;
import java.time.OffsetDateTime;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;

/// Reads messages of the results topic and checks what the tables insist on, so that whoever reads
/// the topic agrees on what is a result.
final class ReadRecord {
  private ReadRecord() {}

  /// Whatever stands on the results topic. Messages of SQL check themselves.
  ///
  /// @throws MalformedMessageException if it is none
  static ResultMessage result(byte[] value) {
    var message = ResultMessage.read(value);
    switch (message) {
      case Result result -> check(result);
      case SqlResult _, SqlRows _ -> {}
    }
    return message;
  }

  /// The result of an LLM request; null if the record is of SQL, which is not read then.
  ///
  /// @throws MalformedMessageException if it is none
  static @Nullable Result ofLlm(byte[] value) {
    if (ResultMessage.isOfSql(value)) {
      return null;
    }
    var result = Result.read(value);
    check(result);
    return result;
  }

  private static void check(Result result) {
    requirePresent("kind", result.kind());
    requirePresent("requested_by", result.requestedBy());
    requirePresent("finished_at", result.finishedAt());
    if (result.id() <= 0) {
      throw malformed("its id is not positive");
    }
    if (result.requestedByOid() < 0 || result.requestedByOid() > 0xFFFF_FFFFL) {
      throw malformed("its requested_by_oid is no oid");
    }
    try {
      var _ = OffsetDateTime.parse(result.finishedAt());
    } catch (DateTimeException e) {
      throw malformed("its finished_at is not an ISO-8601 time");
    }
  }

  private static void requirePresent(String field, @Nullable String value) {
    if (value == null) {
      throw malformed("it has no field '" + field + "'");
    }
  }

  private static MalformedMessageException malformed(String detail) {
    return new MalformedMessageException(DeadLetterReason.MALFORMED, detail);
  }
}
