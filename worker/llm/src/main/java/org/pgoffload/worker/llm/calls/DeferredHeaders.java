package org.pgoffload.worker.llm.calls;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.time.Instant;
import java.util.List;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.RecordHeaders;

/// What a deferred request bears beside what was signed: how far it has come, for the worker that
/// takes it over should its own die. Nobody signs it, so that it decides nothing but a wait.
public final class DeferredHeaders {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder(
              // by default each virtual thread keeps its buffers, also while it waits for a vendor
              JsonFactory.builder().recyclerPool(JsonRecyclerPools.sharedBoundedPool()).build())
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  private DeferredHeaders() {}

  /// Replaces what the headers say.
  ///
  /// @param notBefore when the next call may be made, or null
  /// @param calls those that were made, in order
  public static void write(Headers headers, @Nullable Instant notBefore, List<Call> calls) {
    headers.remove(RecordHeaders.NOT_BEFORE);
    headers.remove(RecordHeaders.CALLS);
    if (notBefore != null) {
      headers.add(
          RecordHeaders.NOT_BEFORE, HeaderText.bytes(Long.toString(notBefore.toEpochMilli())));
    }
    if (!calls.isEmpty()) {
      try {
        headers.add(RecordHeaders.CALLS, MAPPER.writeValueAsBytes(calls));
      } catch (JsonProcessingException e) {
        throw new IllegalStateException("calls can always be written", e);
      }
    }
  }

  /// Null if it says nothing that can be understood.
  public static @Nullable Instant notBefore(Headers headers) {
    var millis = HeaderText.read(headers, RecordHeaders.NOT_BEFORE);
    try {
      return millis == null ? null : Instant.ofEpochMilli(Long.parseLong(millis));
    } catch (NumberFormatException e) {
      return null;
    }
  }

  /// Empty if it says nothing that can be understood.
  public static List<Call> calls(Headers headers) {
    var calls = HeaderText.read(headers, RecordHeaders.CALLS);
    try {
      return calls == null
          ? List.of()
          : List.copyOf(MAPPER.readValue(calls, new TypeReference<List<Call>>() {}));
    } catch (JsonProcessingException | NullPointerException e) {
      return List.of();
    }
  }
}
