package org.pgoffload.worker.llm;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VendorErrorTest {

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
          429 | {"error":{"code":"organization_usage_limit_exceeded"}}                 | QUOTA_EXHAUSTED
          429 | {"error":{"type":"rate_limit_error","details":{"error_code":"contract_spend_limit_reached"}}} | QUOTA_EXHAUSTED
          402 | {"error":{"type":"billing_error"}}                                     | QUOTA_EXHAUSTED
          402 | {}                                                                     | QUOTA_EXHAUSTED
          400 | {"error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}} | QUOTA_EXHAUSTED
          400 | {"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}} | QUOTA_EXHAUSTED
          429 | {"error":{"code":"slow_down"}}                                         | RATE_LIMITED
          429 | {"error":{"code":"429","message":"Rate limit is exceeded."}}           | RATE_LIMITED
          400 | {"error":{"code":"context_length_exceeded"}}                           | CONTEXT_LENGTH_EXCEEDED
          400 | {"error":{"code":"string_above_max_length"}}                           | REQUEST_TOO_LARGE
          400 | {"error":{"code":"new_code","innererror":{"code":"ResponsibleAIPolicyViolation"}}} | CONTENT_FILTER
          400 | {"error":{"code":"unsupported_parameter"}}                             | INVALID_REQUEST
          422 | {"detail":"not good"}                                                  | INVALID_REQUEST
          404 | {"error":{"message":"Invalid URL (POST /v1/nowhere)"}}                 | ENDPOINT_NOT_FOUND
          404 | {"detail":"Not Found"}                                                 | ENDPOINT_NOT_FOUND
          404 | {"error":"model 'x' not found"}                                        | MODEL_NOT_FOUND
          405 | {}                                                                     | ENDPOINT_NOT_FOUND
          407 | {}                                                                     | PERMISSION_DENIED
          408 | {}                                                                     | PROVIDER_ERROR
          409 | {"error":{"type":"conflict_error"}}                                    | PROVIDER_ERROR
          500 | {"error":{"type":"api_error"}}                                         | PROVIDER_ERROR
          504 | {"error":{"type":"timeout_error"}}                                     | PROVIDER_ERROR
          500 | {"error":{"type":"overloaded_error"}}                                  | PROVIDER_OVERLOADED
          204 | {}                                                                     | MALFORMED_RESPONSE
          """)
  void decidesByTheVendorsCodeBeforeTheStatus(int status, String body, LlmErrorCode expected) {
    var json = Json.readObject(body.getBytes(UTF_8)).orElseThrow();

    assertThat(VendorError.read(json).classify(status)).isEqualTo(expected);
  }
}
