package org.pgoffload.worker.vendors.http;

import static java.util.stream.Collectors.joining;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmErrorCode;

/// What a vendor says of a failure: its codes, the most precise first, and its words. The codes
/// decide what it means, since a status says too little: a 429 may be a spent budget.
///
/// One reader for all: OpenAI, Azure, Anthropic and most compatible servers send an `error` object
/// with `code`, `type` and `message`; Anthropic adds `details.error_code`, Azure `innererror.code`;
/// Google a `status` and a list of details; Mistral and older vLLM put the fields at the top;
/// Ollama's own and FastAPI's errors are a bare text, which any gateway may send too.
///
/// Longer than 300 lines because the codes of all vendors stand in one table.
///
/// @param told the HTTP status that the body tells, as a gateway does that passes on a failure with
///   status 200 or in a stream; 0 for none
public record VendorError(List<String> codes, int told, String message) {
  /// Errors in errors, as gateways wrap them.
  private static final int DEEPEST = 4;

  /// Limits of spending and usage of whatever they bound: the organization, the project, a
  /// contract.
  private static final Pattern SPENT =
      Pattern.compile("\\w*(?:spend|usage|credit)_limit_(?:exceeded|reached)");

  /// The fields of the vendors' APIs by which our options are told.
  private static final Pattern OPTION =
      Pattern.compile(
          "\\b(?:temperature|max_tokens|max_completion_tokens|max_output_tokens|stop|stop_sequences"
              + "|reasoning|reasoning_effort|effort|thinking|output_config|text\\.format"
              + "|response_format|json_schema|stream|stream_options|dimensions"
              + "|[Tt]hinking|think|thinking(?:Config|Level|Budget)|stopSequences|maxOutputTokens"
              + "|responseJsonSchema|output_dimension|outputDimensionality)\\b");

  private static final Pattern REFUSED =
      Pattern.compile(
          "unsupported|not support|n't support|not permitted|not allowed|deprecated"
              + "|unknown parameter|unrecognized|not available|not enabled|only works in thinking",
          Pattern.CASE_INSENSITIVE);

  /// Google, Mistral and Ollama have no code for a prompt that is too long.
  private static final Pattern TOO_LONG =
      Pattern.compile(
          "exceeds the maximum number of tokens|maximum context length|exceed_context_size"
              + "|exceed\\w* (?:the |max )?(?:available )?context (?:length|size)"
              + "|longer than the context length");

  private static final Pattern OUT_OF_CREDIT =
      Pattern.compile(
          "(?i)^you have reached your .*usage limit|credit balance is too low|spending cap"
              + "|prepayment credits are depleted|limited to \\d+ API calls / month");

  public VendorError {
    codes = List.copyOf(codes);
  }

  /// Nothing but words.
  static VendorError ofWords(String words) {
    return new VendorError(List.of(), 0, words);
  }

  /// Whether a body or an event tells of a failure, whatever its status. Some servers send the
  /// field with every answer: what is false, zero or empty tells of none.
  public static boolean isIn(JsonNode body) {
    return tells(body.path("error"))
        || body.path("object").asText().equals("error")
        || body.path("type").asText().equals("error")
        || status(body).findFirst().isPresent();
  }

  private static boolean tells(JsonNode error) {
    return error.isObject()
        ? error.valueStream().anyMatch(VendorError::tellsByItself)
        : tellsByItself(error);
  }

  private static boolean tellsByItself(JsonNode value) {
    return value.isContainerNode()
        ? !value.isEmpty()
        : value.isTextual() ? !value.textValue().isBlank() : value.asBoolean();
  }

  public static VendorError read(JsonNode body) {
    var error = innermost(body);
    var codes =
        Stream.concat(
                google(error),
                Stream.of(
                    error.path("details").path("error_code"),
                    error.path("code"),
                    error.path("innererror").path("code"),
                    error.path("type"),
                    body.path("code")))
            .filter(JsonNode::isValueNode)
            .map(JsonNode::asText)
            .filter(code -> !code.isBlank() && !code.equals("null") && !code.equals("error"))
            .distinct()
            .toList();
    var message =
        Stream.of(
                error.path("message"),
                error.path("error"),
                error.path("detail"),
                body.path("message"),
                body.path("error"),
                body.path("error").path(0))
            .map(JsonNode::textValue)
            .filter(Objects::nonNull)
            .findFirst()
            .orElseGet(() -> refusedFields(body));
    return new VendorError(codes, told(error, body), message);
  }

  /// The same, with these words where it has none.
  public VendorError orInstead(String words) {
    return message.isBlank() ? new VendorError(codes, told, words) : this;
  }

  private static JsonNode innermost(JsonNode body) {
    var error = body;
    for (var depth = 0; depth < DEEPEST; depth++) {
      var outer = error;
      var inner =
          Stream.of(
                  outer.path("error"),
                  outer.path("error").path(0),
                  outer.path("errors").path(0),
                  outer.path("detail"))
              .filter(node -> node.isObject() && !node.isEmpty())
              .findFirst();
      if (inner.isEmpty()) {
        return error;
      }
      error = inner.get();
    }
    return error;
  }

  private static int told(JsonNode error, JsonNode body) {
    return IntStream.concat(status(error), status(body)).findFirst().orElse(0);
  }

  /// An HTTP status of a failure that is told in a field of its own.
  private static IntStream status(JsonNode node) {
    return Stream.of("code", "status", "status_code", "statusCode", "error")
        .map(node::path)
        .mapToInt(code -> code.asInt(0))
        .filter(code -> code >= 400 && code <= 599);
  }

  /// Google's codes: a quota of the day, which outlasts every wait, then reasons, then the status.
  private static Stream<JsonNode> google(JsonNode error) {
    var quotas =
        error
            .path("details")
            .valueStream()
            .flatMap(detail -> detail.path("violations").valueStream())
            .map(violation -> violation.path("quotaId"))
            .filter(quota -> quota.asText().contains("PerDay"));
    var reasons = error.path("details").valueStream().map(detail -> detail.path("reason"));
    var status = Stream.of(error.path("status")).filter(JsonNode::isTextual);
    return Stream.of(quotas, reasons, status).flatMap(codes -> codes);
  }

  /// What FastAPI says of a body that it refuses, as Mistral passes it on: each field with why.
  private static String refusedFields(JsonNode body) {
    var details = body.path("message").path("detail");
    return (details.isArray() ? details : body.path("detail"))
        .valueStream()
        .filter(JsonNode::isObject)
        .map(detail ->
            detail.path("loc").valueStream().map(JsonNode::asText).collect(joining("."))
                + ": "
                + detail.path("msg").asText())
        .collect(joining("; "));
  }

  /// Our code for it. The vendor's codes decide, then some of its words, then the HTTP status, or
  /// that which the vendor tells in its place where it is a success.
  ///
  /// @param httpStatus of the reply
  public LlmErrorCode classify(int httpStatus) {
    // Where nothing else is told, it is the server that failed.
    var status = httpStatus == 200 ? told == 0 ? 500 : told : httpStatus;
    for (var code : codes) {
      var known = byVendorCode(code.toLowerCase(Locale.ROOT));
      if (known != null) {
        return known;
      }
    }
    // Anthropic's and Google's own spend limits and an empty balance have a code that says nothing.
    if (OUT_OF_CREDIT.matcher(message).find()) {
      return LlmErrorCode.QUOTA_EXHAUSTED;
    }
    if (TOO_LONG.matcher(message).find()) {
      return LlmErrorCode.CONTEXT_LENGTH_EXCEEDED;
    }
    // Ollama has no codes, and says this also in the middle of a stream.
    if (message.startsWith("server busy")) {
      return LlmErrorCode.PROVIDER_OVERLOADED;
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
    if (code.contains("perday")) {
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
      case "rate_limit_exceeded",
          "rate_limit_error",
          "rate_limited",
          "ratelimitreached",
          "slow_down" ->
          LlmErrorCode.RATE_LIMITED;
      case "invalid_api_key",
          "api_key_invalid",
          "api_key_expired",
          "authentication_error",
          "unauthenticated" ->
          LlmErrorCode.AUTHENTICATION_FAILED;
      case "permission_error",
          "permissiondenied",
          "permission_denied",
          "failed_precondition",
          "unsupported_country_region_territory" ->
          LlmErrorCode.PERMISSION_DENIED;
      case "model_not_found", "deploymentnotfound", "invalid_model", "unknown_model" ->
          LlmErrorCode.MODEL_NOT_FOUND;
      case "context_length_exceeded" -> LlmErrorCode.CONTEXT_LENGTH_EXCEEDED;
      case "request_too_large", "string_above_max_length" -> LlmErrorCode.REQUEST_TOO_LARGE;
      case "content_filter", "content_policy_violation", "responsibleaipolicyviolation" ->
          LlmErrorCode.CONTENT_FILTER;
      case "overloaded_error",
          "server_is_overloaded",
          "service_tier_capacity_exceeded",
          "unavailable" ->
          LlmErrorCode.PROVIDER_OVERLOADED;
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
