package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What a vendor says of a failure: its codes, the most precise first, and its words. The codes
/// decide what it means, since a status says too little: a 429 may be a spent budget.
///
/// One reader for all: OpenAI, Azure, Anthropic and most compatible servers send an `error` object
/// with `code`, `type` and `message`; Anthropic adds `details.error_code`, Azure `innererror.code`;
/// older vLLM puts the fields at the top; Ollama's own and FastAPI's errors are a bare text.
record VendorError(List<String> codes, String message) {
  /// Limits of spending and usage of whatever they bound: the organization, the project, a
  /// contract.
  private static final Pattern SPENT =
      Pattern.compile("\\w*(?:spend|usage|credit)_limit_(?:exceeded|reached)");

  /// The fields of the vendors' APIs by which our options are told.
  private static final Pattern OPTION =
      Pattern.compile(
          "\\b(?:temperature|max_tokens|max_completion_tokens|max_output_tokens|stop|stop_sequences"
              + "|reasoning|reasoning_effort|effort|thinking|output_config|text\\.format"
              + "|response_format|json_schema|stream|stream_options|dimensions)\\b");

  private static final Pattern REFUSED =
      Pattern.compile(
          "unsupported|not support|n't support|not permitted|not allowed|deprecated"
              + "|unknown parameter|unrecognized|not available|not enabled",
          Pattern.CASE_INSENSITIVE);

  VendorError {
    codes = List.copyOf(codes);
  }

  static VendorError read(JsonNode body) {
    var error = body.path("error").isObject() ? body.path("error") : body;
    var codes =
        Stream.of(
                error.path("details").path("error_code"),
                error.path("code"),
                error.path("innererror").path("code"),
                error.path("type"))
            .filter(JsonNode::isValueNode)
            .map(JsonNode::asText)
            .filter(code -> !code.isBlank() && !code.equals("null"))
            .toList();
    var message =
        Stream.of(error.path("message"), body.path("error"), body.path("detail"))
            .map(JsonNode::textValue)
            .filter(Objects::nonNull)
            .findFirst()
            .orElse("");
    return new VendorError(codes, message);
  }

  /// Our code for it. The vendor's codes decide, then some of its words, then the HTTP status.
  LlmErrorCode classify(int status) {
    for (var code : codes) {
      var known = byVendorCode(code.toLowerCase(Locale.ROOT));
      if (known != null) {
        return known;
      }
    }
    // Anthropic's own spend limits, an empty balance and its filter are 400 with a type that says
    // nothing.
    if (message.startsWith("You have reached your specified")
        || message.contains("credit balance is too low")) {
      return LlmErrorCode.QUOTA_EXHAUSTED;
    }
    if (message.contains("blocked by content filtering policy")) {
      return LlmErrorCode.CONTENT_FILTER;
    }
    if (status == 400 || status == 422) {
      return refusesOption() ? LlmErrorCode.UNSUPPORTED_OPTION : LlmErrorCode.INVALID_REQUEST;
    }
    return byStatus(status);
  }

  /// Whether the words name one of our options as something that is not taken. Anthropic and the
  /// compatible servers have no code for it.
  private boolean refusesOption() {
    return OPTION.matcher(message).find() && REFUSED.matcher(message).find();
  }

  private static @Nullable LlmErrorCode byVendorCode(String code) {
    if (SPENT.matcher(code).matches()) {
      return LlmErrorCode.QUOTA_EXHAUSTED;
    }
    return switch (code) {
      case "insufficient_quota",
          "credit_balance_exhausted",
          "billing_not_active",
          "billing_hard_limit_reached",
          "billing_error" ->
          LlmErrorCode.QUOTA_EXHAUSTED;
      case "unsupported_parameter", "unsupported_value" -> LlmErrorCode.UNSUPPORTED_OPTION;
      case "rate_limit_exceeded", "rate_limit_error", "ratelimitreached", "slow_down" ->
          LlmErrorCode.RATE_LIMITED;
      case "invalid_api_key", "authentication_error" -> LlmErrorCode.AUTHENTICATION_FAILED;
      case "permission_error", "permissiondenied", "unsupported_country_region_territory" ->
          LlmErrorCode.PERMISSION_DENIED;
      case "model_not_found", "deploymentnotfound" -> LlmErrorCode.MODEL_NOT_FOUND;
      case "context_length_exceeded" -> LlmErrorCode.CONTEXT_LENGTH_EXCEEDED;
      case "request_too_large", "string_above_max_length" -> LlmErrorCode.REQUEST_TOO_LARGE;
      case "content_filter", "content_policy_violation", "responsibleaipolicyviolation" ->
          LlmErrorCode.CONTENT_FILTER;
      case "overloaded_error", "server_is_overloaded" -> LlmErrorCode.PROVIDER_OVERLOADED;
      case "server_error", "timeout_error" -> LlmErrorCode.PROVIDER_ERROR;
      case "invalid_prompt" -> LlmErrorCode.INVALID_REQUEST;
      // The set of a vendor's codes is open: the status speaks for those that are not known.
      default -> null;
    };
  }

  private LlmErrorCode byStatus(int status) {
    return switch (status) {
      case 401 -> LlmErrorCode.AUTHENTICATION_FAILED;
      case 402 -> LlmErrorCode.QUOTA_EXHAUSTED;
      // 407 is a proxy's.
      case 403, 407 -> LlmErrorCode.PERMISSION_DENIED;
      case 404, 405 ->
          namesModel() ? LlmErrorCode.MODEL_NOT_FOUND : LlmErrorCode.ENDPOINT_NOT_FOUND;
      case 413 -> LlmErrorCode.REQUEST_TOO_LARGE;
      case 429 -> LlmErrorCode.RATE_LIMITED;
      case 503, 529 -> LlmErrorCode.PROVIDER_OVERLOADED;
      // A server that timed out, or another request in the way: these pass.
      case 408, 409, 425 -> LlmErrorCode.PROVIDER_ERROR;
      default -> {
        if (status >= 500) {
          yield LlmErrorCode.PROVIDER_ERROR;
        }
        if (status >= 400) {
          yield LlmErrorCode.INVALID_REQUEST;
        }
        yield status >= 300 ? LlmErrorCode.UNEXPECTED_REDIRECT : LlmErrorCode.MALFORMED_RESPONSE;
      }
    };
  }

  private boolean namesModel() {
    var words = message.toLowerCase(Locale.ROOT);
    return words.contains("model") || words.contains("deployment");
  }
}
