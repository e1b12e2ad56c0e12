package org.pgoffload.worker.vendors.entra;

import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.CredentialUnavailableException;
import com.microsoft.aad.msal4j.MsalServiceException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.vendors.http.NetworkFailure;
import org.pgoffload.worker.vendors.http.RedactWords;

/// Asks Entra ID for a token. Azure Identity finds out by which of its ways this process may have
/// one; nothing is retried below [SharedToken].
///
/// @param credential of Azure Identity
/// @param scope what the token is for, such as `https://ai.azure.com/.default`
/// @param secrets what no error may show
/// @param clock on which the token ends
record EntraId(TokenCredential credential, String scope, List<Secret> secrets, InstantSource clock)
    implements TokenSource {

  /// Azure Identity keeps a token until this long before its end, and asks for another one only
  /// then, unless Entra ID named a time of its own.
  private static final Duration RENEWED_BEFORE_END = Duration.ofMinutes(5);

  private static final Pattern STATUS = Pattern.compile("status code: (\\d{3})");

  private static final Duration LARGEST_MARGIN = Duration.ofSeconds(30);

  EntraId {
    secrets = List.copyOf(secrets);
  }

  @Override
  public TokenOutcome ask() {
    try {
      var token = credential.getTokenSync(new TokenRequestContext().addScopes(scope));
      return token == null
          ? new TokenOutcome.NoToken(LlmErrorCode.AUTHENTICATION_FAILED, "Entra ID gave no token")
          : token(token, clock.instant());
    } catch (RuntimeException failure) {
      return refused(failure);
    }
  }

  private static TokenOutcome token(AccessToken token, Instant now) {
    var end = token.getExpiresAt().toInstant();
    var life = Duration.between(now, end);
    if (!life.isPositive()) {
      return new TokenOutcome.NoToken(
          LlmErrorCode.PROVIDER_ERROR, "Entra ID gave a token that is over already");
    }
    var margin = life.dividedBy(10);
    var named = token.getRefreshAt();
    var half = now.plus(life.dividedBy(2));
    var late = end.minus(RENEWED_BEFORE_END);
    return new TokenOutcome.Token(
        Secret.of(token.getToken()),
        end.minus(margin.compareTo(LARGEST_MARGIN) < 0 ? margin : LARGEST_MARGIN),
        named != null ? named.toInstant() : half.isAfter(late) ? half : late);
  }

  /// An answer decides before the connection that it came by.
  private TokenOutcome.NoToken refused(RuntimeException failure) {
    if (find(failure, MsalServiceException.class) instanceof MsalServiceException answer) {
      return new TokenOutcome.NoToken(
          passes(answer) ? LlmErrorCode.PROVIDER_ERROR : LlmErrorCode.AUTHENTICATION_FAILED,
          "Entra ID answered: " + words(answer));
    }
    if (find(failure, IOException.class) != null) {
      var broken = NetworkFailure.classify(failure);
      return new TokenOutcome.NoToken(
          broken.code(), "the token endpoint of Entra ID: " + broken.words());
    }
    if (find(failure, CredentialUnavailableException.class) != null) {
      return new TokenOutcome.NoToken(
          LlmErrorCode.AUTHENTICATION_FAILED,
          "no way to a token of Entra ID: set AZURE_OPENAI_API_KEY, or what a credential of Azure"
              + " Identity needs. "
              + words(failure));
    }
    return new TokenOutcome.NoToken(
        LlmErrorCode.AUTHENTICATION_FAILED, "no token of Entra ID: " + words(failure));
  }

  /// The library keeps the status only of an answer that it could read.
  private static boolean passes(MsalServiceException answer) {
    var words = Objects.requireNonNullElse(answer.getMessage(), "");
    var told = STATUS.matcher(words);
    var status =
        answer.statusCode() != null
            ? answer.statusCode()
            : told.find() ? Integer.parseInt(told.group(1)) : 0;
    return status >= 500
        || status == 408
        || status == 429
        || "temporarily_unavailable".equals(answer.errorCode())
        || "server_error".equals(answer.errorCode());
  }

  private String words(Throwable failure) {
    var words =
        Objects.requireNonNullElse(failure.getMessage(), failure.getClass().getSimpleName());
    for (var secret : secrets) {
      words = new RedactWords(secret, List.of()).redact(words);
    }
    return new RedactWords(null, List.of()).redact(words);
  }

  private static @Nullable Throwable find(Throwable failure, Class<?> type) {
    Throwable cause = failure;
    // A chain may run in a circle.
    for (var depth = 0; cause != null && depth < 20; depth++) {
      if (type.isInstance(cause)) {
        return cause;
      }
      cause = cause.getCause();
    }
    return null;
  }

  /// The credential has a text form of its own making.
  @Override
  public String toString() {
    return "EntraId[scope=" + scope + "]";
  }
}
