package org.pgoffload.worker.vendors.entra;

import com.azure.core.credential.TokenCredential;
import com.azure.core.http.HttpClient;
import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.core.http.policy.FixedDelayOptions;
import com.azure.core.http.policy.RetryOptions;
import com.azure.core.util.Configuration;
import com.azure.core.util.ConfigurationBuilder;
import com.azure.core.util.ConfigurationSource;
import com.azure.identity.DefaultAzureCredentialBuilder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.vendors.http.BaseUrl;
import org.pgoffload.worker.vendors.http.PostJson;
import org.pgoffload.worker.vendors.http.ReadEnvironment;

/// Reads from the environment who this process is to Entra ID. The variables are those of Azure
/// Identity, read by its `DefaultAzureCredential`; a secret may come by a file as well.
public final class ReadEntraId {

  /// What Microsoft's documentation of the v1 API asks a token for
  /// (learn.microsoft.com/azure/foundry/openai/api-version-lifecycle).
  static final String DEFAULT_SCOPE = "https://ai.azure.com/.default";

  private static final ConfigurationSource NOTHING = prefix -> Map.of();

  private static final BaseUrl DEFAULT_AUTHORITY = BaseUrl.of("https://login.microsoftonline.com");

  /// The authorities that know each other. One that they do not know, such as that of a private
  /// cloud, is not looked up with them: that the environment names it has to do.
  private static final List<String> PUBLIC_AUTHORITIES =
      List.of("login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn");

  /// What Azure Identity reads besides its secrets.
  private static final List<String> VARIABLES =
      List.of(
          "AZURE_TENANT_ID",
          "AZURE_CLIENT_ID",
          "AZURE_CLIENT_CERTIFICATE_PATH",
          "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
          "AZURE_USERNAME",
          "AZURE_ADDITIONALLY_ALLOWED_TENANTS",
          "AZURE_REGIONAL_AUTHORITY_NAME",
          "AZURE_FEDERATED_TOKEN_FILE",
          "AZURE_POD_IDENTITY_AUTHORITY_HOST",
          "AZURE_TOKEN_CREDENTIALS",
          "IDENTITY_ENDPOINT",
          "IDENTITY_HEADER",
          "IDENTITY_SERVER_THUMBPRINT",
          "IMDS_ENDPOINT",
          "MSI_ENDPOINT",
          "MSI_SECRET");

  private static final List<String> SECRETS =
      List.of("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_PASSWORD");

  private ReadEntraId() {}

  /// The source of tokens; null if the variables do not suffice, the problems being left with them.
  public static @Nullable EntraId from(ReadEnvironment environment, PostJson http) {
    var scope = environment.text("AZURE_OPENAI_SCOPE", DEFAULT_SCOPE);
    var authority = environment.url("AZURE_AUTHORITY_HOST", DEFAULT_AUTHORITY);
    if (authority.uri().getRawQuery() != null) {
      environment.problem("AZURE_AUTHORITY_HOST takes no query: set it to https://host");
    }
    var values = new HashMap<String, String>();
    for (var name : VARIABLES) {
      var value = environment.text(name);
      if (value != null) {
        values.put(name, value);
      }
    }
    var secrets = new ArrayList<Secret>();
    for (var name : SECRETS) {
      var secret = environment.key(name);
      if (secret != null) {
        values.put(name, secret.reveal());
        secrets.add(secret);
      }
    }
    values.put("AZURE_AUTHORITY_HOST", authority.toString());
    // Its variables and no others: neither this process's own nor system properties.
    ConfigurationSource source = prefix -> values;
    var configuration = new ConfigurationBuilder(NOTHING, NOTHING, source).build();
    try {
      return new EntraId(credential(configuration, authority, http), scope, secrets, http.clock());
    } catch (IllegalArgumentException | IllegalStateException refused) {
      // Its words may hold a value.
      environment.problem(
          "the settings of Entra ID cannot be used: check AZURE_TENANT_ID, AZURE_AUTHORITY_HOST"
              + " (https://…) and AZURE_TOKEN_CREDENTIALS");
      return null;
    }
  }

  private static TokenCredential credential(
      Configuration configuration, BaseUrl authority, PostJson http) {
    var builder =
        new DefaultAzureCredentialBuilder()
            .configuration(configuration)
            .authorityHost(authority.toString())
            .httpClient(client(configuration, http))
            .executorService(http.threads())
            // Retrying is the worker's own policy.
            .retryOptions(new RetryOptions(new FixedDelayOptions(0, Duration.ZERO)));
    if (!PUBLIC_AUTHORITIES.contains(authority.host())) {
      builder.disableInstanceDiscovery();
    }
    return builder.build();
  }

  /// Bounded in time, through the same proxies as a question. (What the timeouts leave open,
  /// [SharedToken] ends.)
  private static HttpClient client(Configuration configuration, PostJson http) {
    var settings = http.settings();
    return new JdkHttpClientBuilder(http.clientBuilder())
        .configuration(configuration)
        .connectionTimeout(settings.connectTimeout())
        .writeTimeout(settings.idleTimeout())
        .responseTimeout(settings.idleTimeout())
        .readTimeout(settings.idleTimeout())
        .build();
  }
}
