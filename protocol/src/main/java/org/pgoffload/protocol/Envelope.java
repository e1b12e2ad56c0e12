package org.pgoffload.protocol;

import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// A request as the database wrote and signed it. The bytes travel unchanged from the database to
/// the worker, which reads them as this. The JSON schema is `request.v1.schema.json`.
///
/// @param key which request it is
/// @param kind the wire name of its [RequestKind]
/// @param orderingKey the key of order, or null. Tasks of background SQL with the same key run one
///   after another. LLM requests with the same key stand in one partition in their order, but run
///   at the same time.
/// @param immediate whether the request was sent at once (a function) or with its transaction (a
///   row)
/// @param installation the id of the installation that signed it
/// @param times when the request was made and signed, and how long it waits
/// @param requestedBy the requester
/// @param payload the fields of its kind
public record Envelope(
    RequestKey key,
    String kind,
    @Nullable String orderingKey,
    boolean immediate,
    String installation,
    Times times,
    Identity requestedBy,
    JsonNode payload) {
  /// The major version this code reads.
  public static final int VERSION = 1;

  private static final Duration UNREAD_TIMEOUT = Duration.ofDays(1);

  /// The times of a request, by the database's clock, in microseconds.
  ///
  /// @param signedAt when the request was signed and sent
  /// @param createdAt when the request was made: earlier than `signedAt` if it was signed and sent
  ///   a second time
  /// @param timeout how long after `createdAt` an answer is still wanted, or null for ever; an LLM
  ///   request always has a timeout
  public record Times(Instant signedAt, Instant createdAt, @Nullable Duration timeout) {}

  public Envelope {
    if (times.timeout == null
        && RequestKind.ofWireName(kind)
            .filter(known -> known.channel() == RequestChannel.LLM)
            .isPresent()) {
      throw new IllegalArgumentException("an LLM request has a timeout");
    }
  }

  /// Reads an envelope. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no envelope, or of another major version
  public static Envelope read(byte[] bytes) {
    try {
      var json = Json.MAPPER.readTree(bytes);
      if (json == null || !json.isObject()) {
        throw new MalformedMessageException(
            DeadLetterReason.MALFORMED, "the envelope is not a JSON object");
      }
      int version = required(json, "version").asInt();
      if (version != VERSION) {
        throw new MalformedMessageException(
            DeadLetterReason.UNKNOWN_VERSION,
            "envelope version " + version + " is not " + VERSION + ": upgrade this worker");
      }
      var orderingKey = json.get("ordering_key");
      var timeout = present(json, "timeout_ms");
      var by = required(json, "requested_by");
      var signedAt = instant(required(json, "signed_at_us"));
      var createdAt = json.get("created_at_us");
      return new Envelope(
          new RequestKey(
              required(json, "id").asLong(), UUID.fromString(required(json, "nonce").asText())),
          required(json, "kind").asText(),
          orderingKey == null || orderingKey.isNull() ? null : orderingKey.asText(),
          required(json, "immediate").asBoolean(),
          required(json, "installation").asText(),
          new Times(
              signedAt,
              createdAt == null || createdAt.isNull() ? signedAt : instant(createdAt),
              timeout.isNull() ? null : Duration.ofMillis(timeout.asLong())),
          new Identity(
              required(by, "user").asText(),
              required(by, "user_oid").asLong(),
              required(by, "session_user").asText(),
              required(by, "session_user_oid").asLong(),
              required(by, "role").asText()),
          required(json, "payload"));
    } catch (IOException | IllegalArgumentException e) {
      throw new MalformedMessageException(
          DeadLetterReason.MALFORMED, "the envelope is not the JSON of a request");
    }
  }

  /// Reads the front of an envelope that [#read(byte[])] does not understand, up to the payload:
  /// the envelope is of a newer version, or a part of it cannot be read. The request must not be
  /// executed.
  ///
  /// @return the envelope without its payload, its ordering key and its timeout; empty if the bytes
  ///   do not say whose request it is
  public static Optional<Envelope> readWithoutPayload(byte[] bytes) {
    var front = Json.MAPPER.createObjectNode();
    try (var parser = Json.MAPPER.createParser(bytes)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return Optional.empty();
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME
          && !parser.currentName().equals("payload")) {
        var field = parser.currentName();
        parser.nextToken();
        front.set(field, parser.<JsonNode>readValueAsTree());
      }
    } catch (IOException e) {
      return Optional.empty();
    }
    front.put("version", VERSION);
    front.putNull("ordering_key");
    front.put("timeout_ms", UNREAD_TIMEOUT.toMillis());
    front.putObject("payload");
    try {
      var envelope = read(Json.MAPPER.writeValueAsBytes(front));
      return envelope.id() > 0 && envelope.requestedBy().userOid() > 0
          ? Optional.of(envelope)
          : Optional.empty();
    } catch (MalformedMessageException | IOException e) {
      return Optional.empty();
    }
  }

  public long id() {
    return key.id();
  }

  /// When the answer is no longer wanted; empty if it always is.
  public Optional<Instant> deadline() {
    return Optional.ofNullable(times.timeout).map(times.createdAt::plus);
  }

  public Instant signedAt() {
    return times.signedAt;
  }

  public Instant createdAt() {
    return times.createdAt;
  }

  public @Nullable Duration timeout() {
    return times.timeout;
  }

  /// Names the request without its content.
  @Override
  public String toString() {
    return "Envelope[id=" + id() + ", kind=" + kind + "]";
  }

  private static Instant instant(JsonNode micros) {
    return Instant.EPOCH.plus(micros.asLong(), ChronoUnit.MICROS);
  }

  private static JsonNode required(JsonNode json, String field) {
    var value = present(json, field);
    if (value.isNull()) {
      throw missing(field);
    }
    return value;
  }

  private static JsonNode present(JsonNode json, String field) {
    var value = json.get(field);
    if (value == null) {
      throw missing(field);
    }
    return value;
  }

  private static MalformedMessageException missing(String field) {
    return new MalformedMessageException(
        DeadLetterReason.MALFORMED, "the envelope has no field '" + field + "'");
  }
}
