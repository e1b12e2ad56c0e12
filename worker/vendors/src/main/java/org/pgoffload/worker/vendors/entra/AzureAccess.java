package org.pgoffload.worker.vendors.entra;

import java.time.Duration;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// What lets calls in at Azure OpenAI.
public sealed interface AzureAccess {

  /// For one call.
  ///
  /// @param timeout how long the call may wait for them
  /// @throws InterruptedException if the thread is interrupted
  Credentials credentials(Duration timeout) throws InterruptedException;

  /// Ends what is under way.
  void close();

  /// A key of the resource.
  record Key(Secret key) implements AzureAccess {

    @Override
    public Credentials credentials(Duration timeout) {
      return new Credentials.Headers(Map.of("api-key", key.reveal()), key);
    }

    @Override
    public void close() {}
  }

  /// Tokens of Entra ID.
  record Tokens(SharedToken token) implements AzureAccess {

    @Override
    public Credentials credentials(Duration timeout) throws InterruptedException {
      return switch (token.within(timeout)) {
        case TokenOutcome.Token(var value, _, _) -> Credentials.bearer(value);
        case TokenOutcome.NoToken(var code, var words) -> new Credentials.Missing(code, words);
      };
    }

    @Override
    public void close() {
      token.close();
    }
  }

  /// Reads the settings: a key if there is one, else Entra ID. Null if they do not suffice, the
  /// problems being left in the environment.
  static @Nullable AzureAccess from(ReadEnvironment environment, PostJson http) {
    var names = new String[] {"AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY"};
    if (Stream.of(names).anyMatch(environment::hasSecret)) {
      var key = environment.key(names);
      return key == null ? null : new Key(key);
    }
    var entraId = ReadEntraId.from(environment, http);
    return entraId == null ? null : new Tokens(new SharedToken(entraId, http.clock()));
  }
}
