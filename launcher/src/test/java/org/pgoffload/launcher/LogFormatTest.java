package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.joran.spi.JoranException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class LogFormatTest {
  @Test
  void aLineIsAJsonObjectWithTheRequestAsAField() throws Exception {
    var line = new ObjectMapper().readTree(logged("json"));
    assertThat(line.get("formattedMessage").asText()).isEqualTo("It is \"late\" for 1 of them");
    assertThat(line.get("level").asText()).isEqualTo("WARN");
    assertThat(line.get("mdc").get("request").asText()).isEqualTo("42");
    assertThat(line.get("throwable").get("message").asText()).isEqualTo("broken");
    assertThat(line.has("timestamp")).isTrue();
  }

  @Test
  void orText() throws Exception {
    assertThat(logged("text")).contains(" WARN  X - It is \"late\" for 1 of them\n", "broken");
  }

  @Test
  void leavesOutWhatDebeziumWarnsOfAtEveryStart() throws Exception {
    var context = configured("text");
    try {
      assertThat(context.getLogger("io.debezium.snapshot.SnapshotQueryProvider").isWarnEnabled())
          .isFalse();
      assertThat(context.getLogger("io.debezium.connector").isWarnEnabled()).isTrue();
    } finally {
      context.stop();
    }
  }

  private static String logged(String format) throws Exception {
    var context = configured(format);
    try {
      var appender = (ConsoleAppender<?>) context.getLogger("ROOT").iteratorForAppenders().next();
      var event =
          new LoggingEvent(
              "fqcn",
              context.getLogger("org.pgoffload.X"),
              ch.qos.logback.classic.Level.WARN,
              "It is \"late\" for {} of them",
              new IllegalStateException("broken"),
              new Object[] {1});
      event.setMDCPropertyMap(java.util.Map.of("request", "42"));
      @SuppressWarnings("unchecked")
      var encoder =
          (ch.qos.logback.core.encoder.Encoder<LoggingEvent>)
              (ch.qos.logback.core.encoder.Encoder<?>) appender.getEncoder();
      return new String(encoder.encode(event), StandardCharsets.UTF_8);
    } finally {
      context.stop();
    }
  }

  private static LoggerContext configured(String format) throws JoranException {
    var context = new LoggerContext();
    context.setMDCAdapter(new LogbackMDCAdapter());
    context.putProperty("pgoffload.log.format", format);
    var configurator = new JoranConfigurator();
    configurator.setContext(context);
    configurator.doConfigure(
        Objects.requireNonNull(LogFormatTest.class.getResource("/logback.xml")));
    return context;
  }
}
