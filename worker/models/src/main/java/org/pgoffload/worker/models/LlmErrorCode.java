package org.pgoffload.worker.models;

import java.util.Locale;

/// The stable reasons for which a call has no answer. Whether to try again belongs to the reason.
public enum LlmErrorCode {
  /// The key is missing, wrong or revoked (401).
  AUTHENTICATION_FAILED(false),
  /// The key is known but may not do this (403).
  PERMISSION_DENIED(false),
  /// The vendor has no such model or deployment (404).
  MODEL_NOT_FOUND(false),
  /// Nothing answers at this path: the base URL or the chosen API is wrong (404, 405).
  ENDPOINT_NOT_FOUND(false),
  /// The vendor does not take this request (400, 422).
  INVALID_REQUEST(false),
  /// The model, or the API that it is asked by, does not take one of the request's options.
  UNSUPPORTED_OPTION(false),
  /// The provider has no embeddings.
  EMBEDDINGS_NOT_SUPPORTED(false),
  /// The provider ranks no documents.
  RERANK_NOT_SUPPORTED(false),
  /// Prompt and answer do not fit the model's context window.
  CONTEXT_LENGTH_EXCEEDED(false),
  /// The request has more bytes than the vendor takes (413).
  REQUEST_TOO_LARGE(false),
  /// The vendor's filter stopped the prompt or the answer.
  CONTENT_FILTER(false),
  /// The model declined to answer.
  REFUSAL(false),
  /// Credit, quota or a spend limit is used up: waiting seconds does not help (402, some 429).
  QUOTA_EXHAUSTED(false),
  /// Too many requests or tokens per minute (429).
  RATE_LIMITED(true),
  /// The vendor failed, or the request collided with another (5xx, 408, 409, 425).
  PROVIDER_ERROR(true),
  /// The vendor has no capacity at the moment (503, 529).
  PROVIDER_OVERLOADED(true),
  /// No connection came about: refused, no such host, no route.
  PROVIDER_UNREACHABLE(true),
  /// The worker has no file descriptor left for a connection: nothing was called.
  TOO_MANY_OPEN_FILES(true),
  /// The connection broke before the whole reply was in.
  CONNECTION_LOST(true),
  /// The reply began and then stood still.
  RESPONSE_STALLED(true),
  /// The time of the call was over.
  TIMEOUT(true),
  /// The reply is not what the vendor documents.
  MALFORMED_RESPONSE(true),
  /// The vendor reports success without a word of text.
  EMPTY_ANSWER(false),
  /// The reply is larger than the worker takes.
  RESPONSE_TOO_LARGE(false),
  /// The vendor's certificate is not trusted, or no common protocol was found.
  TLS_FAILURE(false),
  /// The vendor answered with a redirect, which is not followed: the key would go elsewhere.
  UNEXPECTED_REDIRECT(false);

  private final boolean retryable;

  LlmErrorCode(boolean retryable) {
    this.retryable = retryable;
  }

  /// The word in results, tables and logs, such as `rate_limited`.
  public String code() {
    return name().toLowerCase(Locale.ROOT);
  }

  /// Whether the same call may succeed when it is made again.
  public boolean retryable() {
    return retryable;
  }
}
