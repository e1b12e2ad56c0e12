package org.pgoffload.launcher;

import java.net.URI;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.ConsoleConfiguration;
import org.pgoffload.console.web.Listen;
import org.pgoffload.operations.deadletters.LetterTopic;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.ServerCertificate;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TrustedProxies;

/// Makes the console's configuration of the environment.
public final class ReadConsoleConfiguration {
  private static final String ADDRESS = "PGOFFLOAD_CONSOLE_ADDRESS";
  private static final String URL = "PGOFFLOAD_CONSOLE_URL";
  private static final String CERTIFICATE = "PGOFFLOAD_CONSOLE_TLS_CERTIFICATE";
  private static final String KEY = "PGOFFLOAD_CONSOLE_TLS_KEY";
  private static final String PROXIES = "PGOFFLOAD_CONSOLE_TRUSTED_PROXIES";
  private static final String PLAIN_HTTP = "PGOFFLOAD_CONSOLE_PLAIN_HTTP";

  private ReadConsoleConfiguration() {}

  /// The console's configuration.
  ///
  /// @throws ConfigurationException with every problem
  public static ConsoleConfiguration from(Settings settings) {
    var database = settings.databaseOfReaders("PGOFFLOAD_CONSOLE_DATABASE_URL");
    var listen = listen(settings);
    boolean superusersAllowed =
        word(settings, "PGOFFLOAD_CONSOLE_SUPERUSERS", "refused", "allowed");
    boolean textsHidden = word(settings, "PGOFFLOAD_CONSOLE_TEXTS", "shown", "hidden");
    var deadLetters = deadLetters(settings);
    settings.check();
    return new ConsoleConfiguration(
        Objects.requireNonNull(database),
        Objects.requireNonNull(listen),
        superusersAllowed,
        textsHidden,
        deadLetters);
  }

  private static @Nullable LetterTopic deadLetters(Settings settings) {
    var kafka = ConfiguredCommand.kafka(settings);
    return kafka == null ? null : new LetterTopic(kafka, settings.topics().deadLetters());
  }

  private static @Nullable Listen listen(Settings settings) {
    var address = settings.text(ADDRESS, "127.0.0.1:7432");
    int colon = address.lastIndexOf(':');
    try {
      var host = address.substring(0, Math.max(colon, 0)).strip().replaceAll("^\\[|]$", "");
      if (host.isEmpty()) {
        throw new IllegalArgumentException("no host");
      }
      var listen =
          new Listen(
              host,
              Integer.parseInt(address.substring(colon + 1).strip()),
              certificate(settings),
              url(settings),
              proxies(settings));
      boolean anywhere = word(settings, PLAIN_HTTP, "loopback", "anywhere");
      if (listen.certificate() == null && !listen.isLoopback() && !anywhere) {
        settings.problem(
            ADDRESS
                + " can be reached from other machines, and passwords would go there unencrypted: set "
                + CERTIFICATE
                + "_FILE and "
                + KEY
                + "_FILE, or, behind a proxy that ends TLS, "
                + PLAIN_HTTP
                + "=anywhere");
      }
      return listen;
    } catch (IllegalArgumentException e) {
      settings.problem(ADDRESS + " must be host:port, such as 127.0.0.1:7432");
      return null;
    }
  }

  private static TrustedProxies proxies(Settings settings) {
    try {
      return TrustedProxies.read(settings.text(PROXIES, ""));
    } catch (IllegalArgumentException e) {
      settings.problem(PROXIES + " must be addresses or networks, such as 10.0.0.0/8, 192.0.2.7");
      return TrustedProxies.NONE;
    }
  }

  private static @Nullable URI url(Settings settings) {
    var text = settings.text(URL);
    if (text == null) {
      return null;
    }
    try {
      var url = URI.create(text.strip());
      if (url.getHost() != null && Set.of("http", "https").contains(url.getScheme())) {
        if (url.getScheme().equals("http") && settings.secret(CERTIFICATE) != null) {
          settings.problem(
              URL + " is http://, and with " + CERTIFICATE + " readers come by https://");
        }
        return url;
      }
    } catch (IllegalArgumentException e) {
      // the same problem
    }
    settings.problem(URL + " must be http(s)://host, with or without a port");
    return null;
  }

  private static @Nullable ServerCertificate certificate(Settings settings) {
    var certificate = settings.secret(CERTIFICATE);
    var key = settings.secret(KEY);
    if (certificate == null && key == null) {
      return null;
    }
    if (certificate == null || key == null) {
      settings.problem(CERTIFICATE + " and " + KEY + " go together");
      return null;
    }
    try {
      return ServerCertificate.read(certificate, key);
    } catch (IllegalArgumentException e) {
      settings.problem(CERTIFICATE + ", " + KEY + ": " + e.getMessage());
      return null;
    }
  }

  /// @return whether it is the second word
  private static boolean word(Settings settings, String name, String usual, String other) {
    var word = settings.text(name, usual);
    if (!Set.of(usual, other).contains(word)) {
      settings.problem(name + " must be one of: " + usual + ", " + other);
    }
    return word.equals(other);
  }
}
