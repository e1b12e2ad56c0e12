package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProvider;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.call.HttpVendor;
import org.pgoffload.worker.vendors.http.EventFraming;
import org.pgoffload.worker.vendors.http.VendorReply;

/// A vendor that answers one HTTP POST of JSON. A vendor implements the differences; the common
/// parts are here, in [HttpVendor] and in [AskVendor].
interface HttpProvider extends HttpVendor, LlmProvider {

  /// Where the question is posted.
  URI endpoint(LlmCall call, String model);

  /// Why the vendor's API cannot do what the call asks for, with what to do instead; null if it
  /// can. Such a call is not made. What only some models refuse is left to the vendor to say.
  default @Nullable String refuses(LlmCall call) {
    return null;
  }

  /// The question in the vendor's format, all its options in it, and with [LlmCall#stream()] the
  /// wish for a stream.
  ///
  /// @param model the model to ask
  ObjectNode question(LlmCall call, String model);

  /// Reads a reply of status 200. A success is believed only if the body says so.
  LlmOutcome answer(VendorReply reply);

  /// Takes the events of one streamed reply; the body that they fold into is read by [#answer].
  FoldEvents fold();

  /// How the events of a streamed reply follow each other.
  default EventFraming framing() {
    return EventFraming.SERVER_SENT_EVENTS;
  }

  /// How the vendor embeds; null for one that does not.
  default @Nullable EmbeddingFormat embeddings() {
    return null;
  }

  @Override
  default LlmOutcome ask(LlmCall call, PieceListener pieces) throws InterruptedException {
    return AskVendor.ask(this, call, pieces);
  }

  @Override
  default LlmOutcome embed(EmbedCall call) throws InterruptedException {
    var format = embeddings();
    return format == null ? LlmProvider.super.embed(call) : AskVendor.embed(this, format, call);
  }

  @Override
  default void close() {
    http().close();
  }
}
