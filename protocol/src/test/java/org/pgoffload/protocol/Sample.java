package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.Function;

/// The messages that tests name in their tables and change in one place.
enum Sample {
  ASK("request", Samples.ASK, Envelope::read),
  EMBED("request", Samples.EMBED, Envelope::read),
  MAINTAINED("request", Samples.MAINTAINED, Envelope::read),
  CHUNK("request", Samples.CHUNK, Envelope::read),
  RERANK("request", Samples.RERANK, Envelope::read),
  SQL("request", Samples.SQL, Envelope::read),
  CANCEL("request", Samples.CANCEL, Envelope::read),
  PROGRESS("request", Samples.PROGRESS, Envelope::read),
  ANSWERED("result", text(Samples.ANSWERED.write()), ResultMessage::read),
  EXPIRED("result", text(Samples.EXPIRED.write()), ResultMessage::read),
  CHUNKS("result", text(Samples.CHUNKS.write()), ResultMessage::read),
  BLANK("result", text(Samples.BLANK.write()), ResultMessage::read),
  STREAMED("llm-piece", text(Samples.LLM_PIECE.write()), LlmPiece::read),
  USAGE("llm-usage", text(Samples.USAGE.write()), LlmUsage::read),
  RETURNED("sql-result", text(Samples.RETURNED.write()), ResultMessage::read),
  CHUNKED("sql-result", text(Samples.CHUNKED.write()), ResultMessage::read),
  REFUSED("sql-result", text(Samples.REFUSED.write()), ResultMessage::read),
  ROWS("sql-rows", text(Samples.ROWS.write()), ResultMessage::read),
  PIECE("sql-rows", text(Samples.PIECE.write()), ResultMessage::read),
  PRIMARY("control", text(Samples.PRIMARY.write()), ControlRecord::read),
  POSITION("control", text(Samples.POSITION.write()), ControlRecord::read),
  PART("control", text(Samples.PART.write()), ControlRecord::read),
  WITHDRAWAL("withdrawal", text(Samples.WITHDRAWAL.write()), ResultMessage::read);

  /// The name of its JSON schema.
  final String schema;

  final String json;

  @SuppressWarnings("ImmutableEnumChecker") // a reference to a method
  private final Function<byte[], ?> reader;

  Sample(String schema, String json, Function<byte[], ?> reader) {
    this.schema = schema;
    this.json = json;
    this.reader = reader;
  }

  /// Its JSON with a wrong part in the place of the right one.
  String with(String right, String wrong) {
    assertThat(json).contains(right);
    return json.replace(right, wrong);
  }

  Object read(String text) {
    return reader.apply(text.getBytes(UTF_8));
  }

  private static String text(byte[] bytes) {
    return new String(bytes, UTF_8);
  }
}
