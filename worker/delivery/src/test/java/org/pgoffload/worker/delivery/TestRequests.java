package org.pgoffload.worker.delivery;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RecordHeaders;

/// Requests without a database or Kafka behind them.
public final class TestRequests {
  private TestRequests() {}

  public static ConsumedRequest received(long id, Runnable finish) {
    return received(envelope(id, "ask", "{\"prompt\": \"why?\"}", 60_000), finish);
  }

  public static ConsumedRequest received(String envelope, Runnable finish) {
    var record = record(envelope, "");
    return new ConsumedRequest(Envelope.read(record.value()), record, finish);
  }

  public static ConsumerRecord<byte[], byte[]> record(String envelope, String signature) {
    var record =
        new ConsumerRecord<>(
            "requests", 0, 7, new byte[0], envelope.getBytes(StandardCharsets.UTF_8));
    if (!signature.isEmpty()) {
      record.headers().add(RecordHeaders.SIGNATURE, signature.getBytes(StandardCharsets.UTF_8));
    }
    return record;
  }

  public static String envelope(long id, String kind, String payload, long timeoutMillis) {
    return """
    {"version": 1, "id": %d, "kind": "%s", "immediate": false, "installation": "i",
     "nonce": "%s", "signed_at_us": 1000000, "timeout_ms": %d,
     "requested_by": {"user": "alice", "user_oid": 10, "session_user": "alice",
                      "session_user_oid": 10, "role": "none"},
     "payload": %s}\
    """
        .formatted(id, kind, new UUID(0, id), timeoutMillis, payload);
  }

  /// Signs an envelope as the database would.
  public static String mac(String hexKey, String envelope) {
    try {
      var mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(HexFormat.of().parseHex(hexKey), "HmacSHA256"));
      return HexFormat.of().formatHex(mac.doFinal(envelope.getBytes(StandardCharsets.UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }
}
