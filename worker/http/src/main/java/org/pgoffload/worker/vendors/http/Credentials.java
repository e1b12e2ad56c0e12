package org.pgoffload.worker.vendors.http;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmErrorCode;

/// What lets one call in at a vendor.
public sealed interface Credentials {

  /// The headers of the call. Their text form is hidden.
  ///
  /// @param secret what is in them and must be kept out of every error; null where nothing is
  record Headers(Map<String, String> headers, @Nullable Secret secret) implements Credentials {

    public Headers {
      headers = Map.copyOf(headers);
    }

    @Override
    public String toString() {
      return "Headers[" + headers.keySet() + "]";
    }
  }

  /// The header of a key or a token.
  ///
  /// @param secret null for a server that lets in every call
  static Credentials bearer(@Nullable Secret secret) {
    return secret == null
        ? new Headers(Map.of(), null)
        : new Headers(Map.of("Authorization", "Bearer " + secret.reveal()), secret);
  }

  /// There are none at the moment: the call fails so, without being made.
  ///
  /// @param words for people, free of secrets
  record Missing(LlmErrorCode code, String words) implements Credentials {}
}
