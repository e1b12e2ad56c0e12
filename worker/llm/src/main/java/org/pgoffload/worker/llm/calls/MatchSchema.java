package org.pgoffload.worker.llm.calls;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import com.networknt.schema.Error;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaException;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import java.io.FileNotFoundException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.stream.Collectors;

/// Checks answers against a caller's JSON schema (draft 2020-12 unless it names another). Fetches
/// nothing: a reference may only lead into the schema itself. Its patterns are run in linear time,
/// and a check ends after a number of steps: a few references can make it exponential. One check at
/// a time, so that callers whose schemas are dear leave a processor to the others.
///
/// Immutable.
public final class MatchSchema {
  private static final int MOST_ERRORS_TOLD = 5;

  /// Keywords applied to values. Ten thousand objects of ten checked fields are less.
  private static final int MOST_STEPS = 300_000;

  private static final Semaphore ONE_AT_A_TIME = new Semaphore(1);

  private static final SchemaRegistryConfig CONFIG =
      SchemaRegistryConfig.builder()
          .regularExpressionFactory(pattern -> {
            var compiled = Pattern.compile(pattern);
            return value -> compiled.matcher(value).find();
          })
          .build();

  private final Schema schema;

  private MatchSchema(Schema schema) {
    this.schema = schema;
  }

  /// Prepares a schema.
  ///
  /// @throws IllegalArgumentException if it is no JSON schema, with what is wrong
  public static MatchSchema of(JsonNode schema) throws InterruptedException {
    ONE_AT_A_TIME.acquire();
    try {
      var registry =
          SchemaRegistry.withDefaultDialect(
              SpecificationVersion.DRAFT_2020_12,
              builder ->
                  builder
                      .schemaRegistryConfig(CONFIG)
                      .resourceLoaders(loaders -> loaders.values(List::clear)));
      var compiled = registry.getSchema(schema);
      compiled.initializeValidators();
      // what it refers to is looked up with the first value
      var _ = errors(compiled, NullNode.instance);
      return new MatchSchema(compiled);
    } catch (SchemaException | PatternSyntaxException | TooDear | StackOverflowError e) {
      throw new IllegalArgumentException(
          "response_schema is no JSON schema that can be checked: " + reason(e), e);
    } finally {
      ONE_AT_A_TIME.release();
    }
  }

  private static List<Error> errors(Schema schema, JsonNode value) {
    var counting = new Counting();
    schema.validate(counting, value);
    return counting.getErrors();
  }

  /// Counts the steps of one check.
  private static final class Counting extends ExecutionContext {
    private int steps;

    private Counting() {
      setErrors(new ArrayList<>());
    }

    @Override
    public void evaluationPathAddLast(String keyword) {
      if (++steps > MOST_STEPS) {
        throw new TooDear();
      }
      super.evaluationPathAddLast(keyword);
    }
  }

  /// A check takes more steps than it may.
  private static final class TooDear extends RuntimeException {
    private TooDear() {
      super("to check it takes more than " + MOST_STEPS + " steps", null, false, false);
    }
  }

  private static String reason(Throwable fault) {
    // what there is nobody to fetch
    if (fault.getCause() instanceof FileNotFoundException elsewhere) {
      return "references only within the schema are understood, not one to "
          + elsewhere.getMessage();
    }
    return fault instanceof StackOverflowError
        ? "it refers to itself without end"
        : String.valueOf(fault.getMessage());
  }

  /// What is wrong with an answer; empty if it matches. Names places in the answer, and may repeat
  /// words of it: not for logs.
  ///
  /// @throws InterruptedException if the thread is interrupted while others are being checked
  public Optional<String> mismatch(String answer) throws InterruptedException {
    JsonNode value;
    try {
      value = ReadJsonb.read(answer);
    } catch (JsonProcessingException e) {
      return Optional.of("it is not JSON: " + e.getOriginalMessage());
    } catch (ReadJsonb.NotHeldException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
    ONE_AT_A_TIME.acquire();
    try {
      var errors = errors(schema, value);
      return errors.isEmpty()
          ? Optional.empty()
          : Optional.of(
              errors.stream()
                  .limit(MOST_ERRORS_TOLD)
                  .map(error -> error.toString())
                  .collect(Collectors.joining("; ")));
    } catch (SchemaException | TooDear | StackOverflowError e) {
      return Optional.of("it cannot be checked: " + reason(e));
    } catch (NumberFormatException | ArithmeticException tooLarge) {
      // multipleOf divides doubles
      return Optional.of("it cannot be checked: it has a number that is too large");
    } finally {
      ONE_AT_A_TIME.release();
    }
  }
}
