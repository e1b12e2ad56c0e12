package org.pgoffload.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.pgoffload.connectors.ConnectConfiguration;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.producer.ProducerConfiguration;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload connector-config`.
@Command(
    name = "connector-config",
    description = {
      "Prints the configuration with which a Kafka Connect cluster captures instead of"
          + " the producer, for POST /connectors.",
      "Read from the environment as by producer, and from the topics what they take. It"
          + " never holds the password."
    })
public final class ConnectorConfigCommand extends ConfiguredCommand {
  public static final String DEFAULT_PASSWORD =
      "${file:/etc/pgoffload/connect.properties:producer.password}";

  @Option(
      names = "--name",
      paramLabel = "NAME",
      defaultValue = "pgoffload",
      description = "The connector's name (default: ${DEFAULT-VALUE}).")
  private String name = "pgoffload";

  @Option(
      names = "--password",
      paramLabel = "REFERENCE",
      description =
          "Where the Connect workers find the database password, by one of their config.providers;"
              + " default: $${file:/etc/pgoffload/connect.properties:producer.password}.")
  private String password = DEFAULT_PASSWORD;

  @Option(
      names = "--exactly-once",
      description = "Refuse to run on a cluster without exactly-once support for sources.")
  private boolean exactlyOnce;

  /// How the configuration is written.
  enum Format {
    POST,
    PUT,
    PROPERTIES
  }

  @Option(
      names = "--format",
      paramLabel = "post|put|properties",
      defaultValue = "POST",
      description = {
        "post: the body of POST /connectors; put: that of PUT /connectors/NAME/config, which also changes a"
            + " connector that is there; properties: a file for connect-standalone (default: post)."
      })
  private Format format = Format.POST;

  @Override
  public Integer call() throws JsonProcessingException {
    if (!password.startsWith("${")) {
      throw new ConfigurationException(
          List.of(
              "--password must be a reference such as ${file:PATH:KEY}, not the password: Connect keeps"
                  + " the configuration in a topic"));
    }
    var producer = ReadConfiguration.producer(settings());
    // what the topics take, rather than the setting that they follow: the producer's login may not
    // read settings, and a topic is what refuses
    int maxMessageBytes = InstallTopics.maxMessageBytes(producer.kafka(), producer.topics());
    var out = out();
    out.println(text(configuration(producer, maxMessageBytes).properties()));
    out.flush();
    return 0;
  }

  private ConnectConfiguration configuration(ProducerConfiguration producer, int maxMessageBytes) {
    try {
      return new ConnectConfiguration(
          producer.capture(),
          password,
          InstallTopics.maxRequestBytes(maxMessageBytes),
          maxMessageBytes,
          InstallTopics.DEFAULT_PARTITIONS,
          exactlyOnce);
    } catch (IllegalArgumentException e) {
      throw new ConfigurationException(List.of(String.valueOf(e.getMessage())));
    }
  }

  private String text(Map<String, String> properties) throws JsonProcessingException {
    var json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    return switch (format) {
      case POST -> {
        var body = new LinkedHashMap<String, Object>();
        body.put("name", name);
        body.put("config", properties);
        yield json.writeValueAsString(body);
      }
      case PUT -> json.writeValueAsString(properties);
      case PROPERTIES -> propertiesFile(Map.of("name", name)) + "\n" + propertiesFile(properties);
    };
  }

  /// In the encoding and with the escapes in which connect-standalone reads it.
  private static String propertiesFile(Map<String, String> properties) {
    var written = new ByteArrayOutputStream();
    try {
      var sorted = new Properties();
      sorted.putAll(properties);
      sorted.store(written, null);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return written
        .toString(StandardCharsets.ISO_8859_1)
        .lines()
        // the date
        .filter(line -> !line.startsWith("#"))
        .sorted()
        .collect(Collectors.joining("\n"));
  }
}
