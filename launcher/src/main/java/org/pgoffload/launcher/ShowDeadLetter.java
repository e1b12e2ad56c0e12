package org.pgoffload.launcher;

import java.nio.charset.StandardCharsets;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.Printable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `pgoffload dead-letters show`.
@Command(
    name = "show",
    description =
        "Prints one with its headers. Its content may be anybody's: control characters are escaped.")
final class ShowDeadLetter extends ConfiguredCommand {
  @Parameters(paramLabel = "POSITION", description = "As list names it: topic-partition@offset.")
  private String position = "";

  @Option(names = "--raw", description = "Write the bytes as they are, and nothing else.")
  private boolean raw;

  @Override
  public Integer call() {
    DeadLetter letter;
    try (var letters = DeadLettersCommand.open(settings())) {
      letter =
          letters
              .at(letters.position(position))
              .orElseThrow(
                  () -> new IllegalArgumentException("there is no dead letter at " + position));
    } catch (IllegalArgumentException e) {
      throw usageError(e);
    }
    var record = letter.record();
    byte[] value = record.value();
    if (raw) {
      if (value != null) {
        System.out.write(value, 0, value.length);
      }
      System.out.flush();
      return 0;
    }
    var out = out();
    out.println("position: " + letter.position());
    out.println("time: " + letter.time());
    out.println("key: " + (record.key() == null ? "none" : line(record.key())));
    for (var header : record.headers()) {
      out.println(
          "header "
              + Printable.line(header.key())
              + ": "
              + (header.value() == null ? "null" : line(header.value())));
    }
    if (value == null) {
      out.println("value: none");
    } else {
      out.println("value, " + value.length + " bytes:");
      out.println(Printable.lines(value));
    }
    out.flush();
    return 0;
  }

  private static String line(byte[] bytes) {
    return Printable.line(new String(bytes, StandardCharsets.UTF_8));
  }
}
