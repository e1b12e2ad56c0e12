package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.pgoffload.worker.models.LlmErrorCode;

class VendorErrorTest {

  /// By the issue of production: what passes is tried again, what does not is final.
  @Test
  void triesAgainWhatPasses() {
    assertThat(
            IntStream.range(400, 600)
                .filter(status -> classify(status, "{}").retryable())
                .boxed()
                .filter(status -> status < 500))
        .containsExactly(408, 409, 425, 429);
    assertThat(IntStream.range(500, 600).allMatch(status -> classify(status, "{}").retryable()))
        .isTrue();
    assertThat(classify(429, "{\"error\":{\"code\":\"insufficient_quota\"}}").retryable())
        .isFalse();
    assertThat(classify(500, "{\"error\":{\"code\":\"content_filter\"}}").retryable()).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          429 | {"error":{"type":"insufficient_quota","code":null}}                    | QUOTA_EXHAUSTED
          429 | {"error":{"type":"insufficient_quota","code":"credit_balance_exhausted"}} | QUOTA_EXHAUSTED
          429 | {"error":{"code":"organization_spend_limit_exceeded"}}                 | QUOTA_EXHAUSTED
          429 | {"error":{"code":"project_spend_limit_exceeded"}}                      | QUOTA_EXHAUSTED
          429 | {"error":{"code":"team_spend_limit_exceeded"}}                         | QUOTA_EXHAUSTED
          403 | {"error":{"code":"project_spend_limit_exceeded"}}                      | QUOTA_EXHAUSTED
          429 | {"error":{"code":"organization_usage_limit_exceeded"}}                 | QUOTA_EXHAUSTED
          429 | {"error":{"type":"rate_limit_error","details":{"error_code":"contract_spend_limit_reached"}}} | QUOTA_EXHAUSTED
          429 | {"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}} | QUOTA_EXHAUSTED
          402 | {"error":{"type":"billing_error"}}                                     | QUOTA_EXHAUSTED
          402 | {"error":{"message":"Payment Required"}}                               | QUOTA_EXHAUSTED
          402 | {}                                                                     | QUOTA_EXHAUSTED
          400 | {"error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}} | QUOTA_EXHAUSTED
          400 | {"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}} | QUOTA_EXHAUSTED
          429 | {}                                                                     | RATE_LIMITED
          429 | {"error":{"type":"tokens","code":"rate_limit_exceeded"}}               | RATE_LIMITED
          429 | {"error":{"type":"rate_limit_error"}}                                  | RATE_LIMITED
          429 | {"error":{"code":"slow_down"}}                                         | RATE_LIMITED
          503 | {"error":{"code":"slow_down"}}                                         | RATE_LIMITED
          429 | {"error":{"code":"429","message":"Rate limit is exceeded."}}           | RATE_LIMITED
          400 | {"error":{"code":"context_length_exceeded"}}                           | CONTEXT_LENGTH_EXCEEDED
          400 | {"error":{"code":"string_above_max_length"}}                           | REQUEST_TOO_LARGE
          413 | {}                                                                     | REQUEST_TOO_LARGE
          413 | {"error":{"type":"request_too_large"}}                                 | REQUEST_TOO_LARGE
          400 | {"error":{"code":"content_filter"}}                                    | CONTENT_FILTER
          400 | {"error":{"code":"new_code","innererror":{"code":"ResponsibleAIPolicyViolation"}}} | CONTENT_FILTER
          400 | {"error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}} | CONTENT_FILTER
          400 | {"error":{"code":"unsupported_parameter"}}                             | UNSUPPORTED_OPTION
          400 | {"error":{"code":"unsupported_value","param":"reasoning.effort"}}      | UNSUPPORTED_OPTION
          400 | {"error":{"type":"invalid_request_error","message":"`temperature` is deprecated for this model."}} | UNSUPPORTED_OPTION
          400 | {"error":{"type":"invalid_request_error","message":"output_config: Extra inputs are not permitted"}} | UNSUPPORTED_OPTION
          400 | {"error":{"type":"invalid_request_error","message":"This model does not support the effort parameter."}} | UNSUPPORTED_OPTION
          400 | {"error":{"message":"\\"thinking.type.disabled\\" is not supported for this model."}} | UNSUPPORTED_OPTION
          422 | {"error":{"message":"Unrecognized request argument supplied: reasoning_effort"}} | UNSUPPORTED_OPTION
          400 | {"error":{"message":"max_tokens: 900000 > 128000"}}                    | INVALID_REQUEST
          400 | {"error":{"message":"This model is not supported in this region."}}    | INVALID_REQUEST
          400 | {"error":{"type":"invalid_request_error"}}                             | INVALID_REQUEST
          422 | {"detail":"not good"}                                                  | INVALID_REQUEST
          401 | {}                                                                     | AUTHENTICATION_FAILED
          400 | {"error":{"code":"invalid_api_key"}}                                   | AUTHENTICATION_FAILED
          403 | {}                                                                     | PERMISSION_DENIED
          403 | {"error":{"type":"permission_error"}}                                  | PERMISSION_DENIED
          404 | {"error":{"message":"Invalid URL (POST /v1/nowhere)"}}                 | ENDPOINT_NOT_FOUND
          404 | {"detail":"Not Found"}                                                 | ENDPOINT_NOT_FOUND
          404 | {"error":"model 'x' not found"}                                        | MODEL_NOT_FOUND
          404 | {"error":{"code":"DeploymentNotFound"}}                                | MODEL_NOT_FOUND
          405 | {}                                                                     | ENDPOINT_NOT_FOUND
          407 | {}                                                                     | PERMISSION_DENIED
          408 | {}                                                                     | PROVIDER_ERROR
          409 | {"error":{"type":"conflict_error"}}                                    | PROVIDER_ERROR
          425 | {}                                                                     | PROVIDER_ERROR
          500 | {"error":{"type":"api_error"}}                                         | PROVIDER_ERROR
          502 | {}                                                                     | PROVIDER_ERROR
          504 | {"error":{"type":"timeout_error"}}                                     | PROVIDER_ERROR
          520 | {}                                                                     | PROVIDER_ERROR
          503 | {}                                                                     | PROVIDER_OVERLOADED
          529 | {}                                                                     | PROVIDER_OVERLOADED
          500 | {"error":{"type":"overloaded_error"}}                                  | PROVIDER_OVERLOADED
          400 | {"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}} | AUTHENTICATION_FAILED
          400 | {"error":{"code":400,"status":"FAILED_PRECONDITION"}}                  | PERMISSION_DENIED
          429 | {"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}                   | RATE_LIMITED
          429 | {"error":{"status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}]}]}} | RATE_LIMITED
          429 | {"error":{"status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"retryDelay":"5s"}]}} | QUOTA_EXHAUSTED
          429 | {"error":{"status":"RESOURCE_EXHAUSTED","message":"Your project has exceeded its monthly spending cap."}} | QUOTA_EXHAUSTED
          429 | {"error":{"status":"RESOURCE_EXHAUSTED","message":"Your prepayment credits are depleted."}} | QUOTA_EXHAUSTED
          503 | {"error":{"code":503,"status":"UNAVAILABLE","message":"The model is overloaded."}} | PROVIDER_OVERLOADED
          504 | {"error":{"code":504,"status":"DEADLINE_EXCEEDED"}}                    | PROVIDER_ERROR
          400 | {"error":{"status":"INVALID_ARGUMENT","message":"Thinking level MINIMAL is not supported for this model."}} | UNSUPPORTED_OPTION
          400 | {"error":{"status":"INVALID_ARGUMENT","message":"Budget 0 is invalid. This model only works in thinking mode."}} | UNSUPPORTED_OPTION
          400 | {"error":{"status":"INVALID_ARGUMENT","message":"The input token count (1300000) exceeds the maximum number of tokens allowed (1048575)."}} | CONTEXT_LENGTH_EXCEEDED
          404 | {"error":{"status":"NOT_FOUND","message":"models/x is not found for API version v1beta"}} | MODEL_NOT_FOUND
          429 | {"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300"} | RATE_LIMITED
          429 | {"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","code":"3505"} | PROVIDER_OVERLOADED
          400 | {"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"} | MODEL_NOT_FOUND
          400 | {"object":"error","message":"Prompt contains 300000 tokens, too large for model with 131072 maximum context length","code":"3051"} | CONTEXT_LENGTH_EXCEEDED
          400 | {"object":"error","message":"reasoning_effort is not enabled for this model"} | UNSUPPORTED_OPTION
          422 | {"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]} | UNSUPPORTED_OPTION
          422 | {"object":"error","message":{"detail":[{"loc":["body","temperature"],"msg":"Extra inputs are not permitted"}]}} | UNSUPPORTED_OPTION
          400 | {"error":"\\"llama3\\" does not support thinking"}                      | UNSUPPORTED_OPTION
          400 | {"error":"{\\"error\\":{\\"code\\":400,\\"message\\":\\"request (8889 tokens) exceeds the available context size (4096 tokens)\\",\\"type\\":\\"exceed_context_size_error\\"}}"} | CONTEXT_LENGTH_EXCEEDED
          400 | {"error":"the input length exceeds the context length"}                | CONTEXT_LENGTH_EXCEEDED
          429 | {"error":"you have reached your weekly usage limit"}                   | QUOTA_EXHAUSTED
          500 | {"error":"server busy, please try again.  maximum pending requests exceeded"} | PROVIDER_OVERLOADED
          307 | {}                                                                     | UNEXPECTED_REDIRECT
          204 | {}                                                                     | MALFORMED_RESPONSE
          """)
  void decidesByTheVendorsCodeBeforeTheStatus(int status, String body, LlmErrorCode expected) {
    assertThat(classify(status, body)).isEqualTo(expected);
  }

  private static LlmErrorCode classify(int status, String body) {
    return VendorBody.read(body).error().classify(status);
  }
}
