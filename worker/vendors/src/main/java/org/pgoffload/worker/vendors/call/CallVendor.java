package org.pgoffload.worker.vendors.call;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Stream;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.BrokenExchange;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.OpenReply;
import org.pgoffload.worker.vendors.http.RedactWords;
import org.pgoffload.worker.vendors.http.VendorBody;
import org.pgoffload.worker.vendors.http.VendorReply;

/// One call to a vendor, from its credentials to the outcome.
///
/// @param model the model that is asked
/// @param words makes the vendor's words fit for an error
public record CallVendor(HttpVendor vendor, String model, RedactWords words) {

  /// What is posted.
  ///
  /// @param said every text in it, which no error may show
  public record Question(URI endpoint, ObjectNode body, List<String> said) {}

  /// Reads the reply to a call, of any status, and as it comes in.
  @FunctionalInterface
  public interface ReadReply {
    LlmOutcome read(CallVendor call, OpenReply reply) throws IOException, InterruptedException;
  }

  /// Reads the body of a reply of status 200.
  @FunctionalInterface
  public interface ReadBody {
    LlmOutcome read(VendorReply reply);
  }

  /// Makes the call. Every failure is an outcome.
  ///
  /// @param timeout for all of it, the credentials too
  /// @throws InterruptedException if the thread is interrupted: the call ends at once
  public static LlmOutcome call(
      HttpVendor vendor, String model, Question question, Duration timeout, ReadReply reader)
      throws InterruptedException {
    var begin = System.nanoTime();
    return switch (vendor.credentials(timeout)) {
      case Credentials.Missing(var code, var why) -> failed(vendor, code, why, model);
      case Credentials.Headers credentials -> {
        var words =
            new RedactWords(credentials.secret(), vendor.baseUrl().secrets(), question.said());
        var left = timeout.minusMillis(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin));
        yield new CallVendor(vendor, model, words).post(question, credentials, left, reader);
      }
    };
  }

  /// A call that was not made.
  public static LlmOutcome failed(HttpVendor vendor, LlmErrorCode code, String why, String model) {
    return new LlmOutcome.Failed(
        new LlmError(code, vendor.name() + ": " + why, null, null, null),
        model,
        Usage.NONE,
        List.of());
  }

  private LlmOutcome post(
      Question question, Credentials.Headers credentials, Duration timeout, ReadReply reader)
      throws InterruptedException {
    if (timeout.toMillis() < 1) {
      // The credentials took it all; what is begun now could only be broken off, and be paid for.
      return failed(
          vendor, LlmErrorCode.TIMEOUT, "no time was left to call when it was let in", model);
    }
    var body = Json.bytes(question.body());
    try (var reply =
        vendor.http().open(question.endpoint(), credentials.headers(), body, timeout)) {
      try {
        return reader.read(this, reply);
      } catch (BrokenExchange broken) {
        return vendorReply(reply, Json.object()).broken(broken.code(), broken.words());
      }
    } catch (BrokenExchange neverBegun) {
      return failed(vendor, neverBegun.code(), words.redact(neverBegun.words()), model);
    } catch (InterruptedIOException interrupted) {
      throw new InterruptedException(interrupted.getMessage());
    } catch (IOException impossible) {
      throw new UncheckedIOException("every read of a reply says how it broke", impossible);
    }
  }

  /// Reads a reply in one piece; one of another status than 200 is the vendor's failure.
  public LlmOutcome readWhole(OpenReply reply, ReadBody reader) throws IOException {
    return readWhole(reply, VendorBody::read, reader);
  }

  /// The same of a body that may be something else than an object.
  public LlmOutcome readWhole(OpenReply reply, Function<byte[], VendorBody> parser, ReadBody reader)
      throws IOException {
    var body = parser.apply(reply.readAll());
    var vendorReply = vendorReply(reply, body.json());
    if (reply.status() != 200) {
      return vendorReply.vendorFailed(body.error(), Usage.NONE);
    }
    return body.fault() == null
        ? reader.read(vendorReply)
        : vendorReply.malformed("the reply " + body.fault());
  }

  /// The reply with this body.
  public VendorReply vendorReply(OpenReply reply, JsonNode body) {
    var told =
        Stream.of("model", "modelVersion")
            .map(field -> Json.text(body, field))
            .filter(name -> name != null && !name.isBlank())
            .findFirst()
            .orElse(model);
    var requestId =
        vendor.requestIdHeaders().stream()
            .flatMap(name -> reply.headers().firstValue(name).stream())
            .findFirst()
            .orElse(Json.text(body, vendor.requestIdField()));
    return new VendorReply(
        vendor.name(),
        told,
        reply.status(),
        reply.headers(),
        vendor.http().now(),
        body,
        requestId,
        words);
  }
}
