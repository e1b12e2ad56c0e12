package org.pgoffload.worker.vendors.call;

import java.time.Duration;
import java.util.List;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.PostJson;

/// A vendor that answers one HTTP POST of JSON, whatever it is asked for.
public interface HttpVendor {

  /// The name of its provider.
  String name();

  /// What the calls go through.
  PostJson http();

  /// What lets a call in, and the vendor's other headers with it. Asked for before each call, on
  /// its thread; may block while a token is fetched, which counts as time of the call.
  ///
  /// @param timeout of the call
  /// @throws InterruptedException if the thread is interrupted
  Credentials credentials(Duration timeout) throws InterruptedException;

  /// Where its API is.
  BaseUrl baseUrl();

  /// The headers that may bear the vendor's id of the call, the best first; by default the one that
  /// most vendors and gateways send.
  default List<String> requestIdHeaders() {
    return List.of("x-request-id");
  }

  /// The field of a reply's body that bears the id where no header does; Gemini's by default, which
  /// alone of the vendors of answers tells it there.
  default String requestIdField() {
    return "responseId";
  }
}
