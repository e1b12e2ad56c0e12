package org.pgoffload.launcher;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.ReasonToWait;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.platform.KafkaFault;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `pgoffload why`.
@Command(
    name = "why",
    description = {
      "Says why a request waits, of a model or of SQL, or how it has ended.",
      "Needs a login that may see the request: the owner's, or one of its role. Where Kafka is"
          + " configured, it is asked how many records stand before the request in its partition."
    })
final class WhyCommand extends ConfiguredCommand {
  @Parameters(paramLabel = "ID", description = "The id of the request.")
  private long id;

  @Option(names = "--json", description = "Print a JSON object: the columns of request_why.")
  private boolean json;

  @Override
  public Integer call() throws InterruptedException {
    var settings = settings();
    var database = settings.database(null);
    var topics = settings.topics();
    var kafka = kafka(settings);
    settings.check();
    var why = ReasonToWait.read(Objects.requireNonNull(database), id);
    ReasonToWait.InKafka inKafka = null;
    String fault = null;
    if (kafka != null) {
      try (var admin = Admin.create(kafka)) {
        inKafka = why.inKafka(admin, topics).orElse(null);
      } catch (ExecutionException | TimeoutException | KafkaException e) {
        fault = KafkaFault.words(e.getCause() == null ? e : e.getCause());
      }
    }
    var out = out();
    out.print(json ? json(why, inKafka, fault) : text(why, inKafka, fault));
    out.flush();
    return 0;
  }

  private String json(
      ReasonToWait why, ReasonToWait.@Nullable InKafka inKafka, @Nullable String fault) {
    var json = JsonNodeFactory.instance.objectNode().put("id", id);
    json.setAll(why.row());
    if (inKafka != null) {
      json.putObject("kafka")
          .put("topic", inKafka.topic())
          .put("partition", inKafka.partition())
          .put("group", inKafka.group())
          .put("unfinished", inKafka.unfinished())
          .put("behind_at_least", inKafka.atLeast());
    } else if (fault != null) {
      json.putObject("kafka").put("fault", fault);
    }
    return json.toPrettyString() + "\n";
  }

  private String text(
      ReasonToWait why, ReasonToWait.@Nullable InKafka inKafka, @Nullable String fault) {
    var text = new StringBuilder();
    line(
        text,
        "Request "
            + id
            + " ("
            + why.text("kind").orElse("?")
            + "): "
            + why.text("state").orElse("?"));
    line(text, "  " + why.text("reason").orElse(""));
    if (inKafka != null) {
      var before = inKafka.atLeast();
      line(
          text,
          "  Kafka: of partition "
              + inKafka.partition()
              + " of "
              + inKafka.topic()
              + ", "
              + inKafka.unfinished()
              + " records are not finished"
              + (before == null ? "" : ", and at least " + before + " came before this one"));
    } else if (fault != null) {
      line(text, "  Kafka cannot be asked: " + fault);
    }
    why.text("hint").ifPresent(hint -> line(text, "  -> " + hint));
    why.text("as_of")
        .ifPresent(asOf ->
            line(
                text,
                "  Known of "
                    + (why.row().path("exact").asBoolean()
                        ? "the request itself"
                        : "the queue that it is in")
                    + ", "
                    + age(asOf)
                    + " s ago."));
    return text.toString();
  }

  private static String age(String asOf) {
    var age = Duration.between(OffsetDateTime.parse(asOf).toInstant(), Instant.now());
    return Long.toString(Math.max(0, age.toSeconds()));
  }

  /// What workers and callers name is in it.
  private static void line(StringBuilder text, String line) {
    text.append(Printable.line(line).stripTrailing()).append('\n');
  }
}
