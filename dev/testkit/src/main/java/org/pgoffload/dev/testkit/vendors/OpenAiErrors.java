package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import org.pgoffload.dev.testkit.http.WireReply;

/// The errors of OpenAI, Azure OpenAI and compatible servers.
final class OpenAiErrors {
  private OpenAiErrors() {}

  static WireReply.Full openAi(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    var invalid = "invalid_request_error";
    return switch (kind) {
      case WRONG_KEY ->
          error(
              401,
              "Incorrect API key provided: sk-stub-****************cdef. You can find your API key"
                  + " at https://platform.openai.com/account/api-keys.",
              invalid,
              "invalid_api_key",
              headers);
      case FORBIDDEN ->
          error(
              403,
              "Country, region, or territory not supported",
              "request_forbidden",
              "unsupported_country_region_territory",
              headers);
      case UNKNOWN_MODEL ->
          error(
              404,
              "The model `"
                  + question.model()
                  + "` does not exist or you do not have access to it.",
              invalid,
              "model_not_found",
              headers);
      case BAD_REQUEST ->
          error(
              400,
              "Invalid value: '" + question.lastText() + "' is not supported by this model.",
              invalid,
              "invalid_value",
              headers);
      case UNSUPPORTED_OPTION ->
          error(
              400,
              "Unsupported parameter: 'temperature' is not supported with this model.",
              invalid,
              "unsupported_parameter",
              headers);
      case TOO_LARGE -> error(413, "Request body is too large.", invalid, "", headers);
      case RATE_LIMITED ->
          error(
              429,
              "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1.",
              "requests",
              "rate_limit_exceeded",
              headers);
      case NO_QUOTA ->
          error(
              429,
              "You have no prepaid credits left.",
              "insufficient_quota",
              "credit_balance_exhausted",
              headers);
      case SERVER_ERROR ->
          error(
              500,
              "The server had an error while processing your request.",
              "server_error",
              "",
              headers);
      case UNAVAILABLE ->
          error(
              503,
              "The model is overloaded.",
              "service_unavailable_error",
              "server_is_overloaded",
              headers);
      case OVERLOADED -> error(529, "The site is overloaded.", "overloaded", "", headers);
    };
  }

  static WireReply.Full azure(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    return switch (kind) {
      case WRONG_KEY ->
          bare(
              401,
              "401",
              "Access denied due to invalid subscription key or wrong API endpoint.",
              headers);
      case FORBIDDEN -> bare(403, "403", "Public access is disabled.", headers);
      case UNKNOWN_MODEL ->
          bare(
              404,
              "DeploymentNotFound",
              "The API deployment for this resource does not exist.",
              headers);
      case RATE_LIMITED ->
          bare(429, "RateLimitReached", "Requests have exceeded call rate limit.", headers);
      case NO_QUOTA -> bare(429, "insufficient_quota", "You exceeded your quota.", headers);
      case BAD_REQUEST, UNSUPPORTED_OPTION, TOO_LARGE, SERVER_ERROR, UNAVAILABLE, OVERLOADED ->
          openAi(kind, question, headers);
    };
  }

  /// The errors of Ollama, vLLM and gateways, as unlike as they are.
  static WireReply.Full compatible(
      StubReply.Kind kind, StubQuestion question, Map<String, String> headers) {
    return switch (kind) {
      case WRONG_KEY -> Dialect.reply(401, headers, Dialect.object().put("error", "Unauthorized"));
      case FORBIDDEN -> Dialect.reply(403, headers, Dialect.object().put("detail", "Forbidden"));
      case UNKNOWN_MODEL ->
          error(
              404,
              "model \"" + question.model() + "\" not found, try pulling it first",
              "not_found_error",
              "",
              headers);
      case BAD_REQUEST ->
          Dialect.reply(
              400,
              headers,
              Dialect.object()
                  .put("object", "error")
                  .put("message", "cannot take " + question.lastText())
                  .put("type", "BadRequestError")
                  .put("code", 400));
      case UNSUPPORTED_OPTION ->
          Dialect.reply(
              400,
              headers,
              Dialect.object()
                  .put("object", "error")
                  .put("message", "This server does not support temperature.")
                  .put("type", "BadRequestError")
                  .put("code", 400));
      case NO_QUOTA -> error(429, "Out of credit.", "insufficient_quota", "", headers);
      case TOO_LARGE, RATE_LIMITED, SERVER_ERROR, UNAVAILABLE, OVERLOADED ->
          openAi(kind, question, headers);
    };
  }

  static WireReply.Full filteredPrompt(Map<String, String> headers) {
    var body = Dialect.object();
    var error =
        body.putObject("error")
            .put("message", "The response was filtered due to the prompt triggering a policy.")
            .putNull("type")
            .put("param", "prompt")
            .put("code", "content_filter")
            .put("status", 400);
    error.putObject("innererror").put("code", "ResponsibleAIPolicyViolation");
    return Dialect.reply(400, headers, body);
  }

  static WireReply.Full error(
      int status, String message, String type, String code, Map<String, String> headers) {
    ObjectNode body = Dialect.object();
    var error = body.putObject("error").put("message", message).put("type", type).putNull("param");
    if (code.isEmpty()) {
      error.putNull("code");
    } else {
      error.put("code", code);
    }
    return Dialect.reply(status, headers, body);
  }

  private static WireReply.Full bare(
      int status, String code, String message, Map<String, String> headers) {
    ObjectNode body = Dialect.object();
    body.putObject("error").put("code", code).put("message", message);
    return Dialect.reply(status, headers, body);
  }
}
