package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.vendors.http.VendorReply;

/// How a vendor embeds: one HTTP POST of JSON, like a question.
interface EmbeddingFormat {

  /// Where the texts are posted.
  URI endpoint(String model);

  /// The texts in the vendor's format.
  ObjectNode question(EmbedCall call, String model);

  /// Reads a reply of status 200 that tells of no failure, best by [VendorReply#embedded].
  LlmOutcome answer(VendorReply reply, EmbedCall call);

  /// The variable that names the model of calls which name none.
  String modelSetting();
}
