package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.dev.testkit.http.WireReply;
import org.pgoffload.dev.testkit.http.WireReply.Ending;
import org.pgoffload.dev.testkit.vendors.StubReply;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.HttpSettings;
import org.pgoffload.worker.vendors.http.PostJson;

/// What gateways make of one vendor's format, beyond what is odd for all vendors alike.
class GatewayRepliesTest {
  private static final String WORDS =
      "{'model':'m','choices':[{'index':0,'delta':{'content':'Blue.'},'finish_reason':null}]}";
  private static final String STOP = "{'choices':[{'index':0,'delta':{},'finish_reason':'stop'}]}";
  private static final String COUNTS =
      "{'choices':[],'usage':{'prompt_tokens':10,'completion_tokens':5}}";
  private static final String DONE = "[DONE]";
  private static final Usage USAGE = new Usage(10, 0, 5, 0);

  @AutoClose private final VendorStub stub = VendorStub.start();

  @AutoClose
  private final PostJson http = new PostJson(HttpSettings.defaults(), InstantSource.system());

  // --- failures in odd places

  @ParameterizedTest
  @ValueSource(strings = {"'error'", "null", "'stop'"})
  void readsTheErrorOfAChoice(String reason) throws InterruptedException {
    var error = "'error':{'code':429,'message':'Told so.'}";
    var whole =
        "{'choices':[{'message':{'content':'Bl'},'finish_reason':%s,%s}],".formatted(reason, error)
            + "'usage':{'prompt_tokens':10,'completion_tokens':5}}";
    var event =
        "{'choices':[{'delta':{'content':''},'finish_reason':%s,%s}]}".formatted(reason, error);

    for (var outcome :
        List.of(
            whole(Vendor.OPENAI_COMPATIBLE, whole),
            stream(Vendor.OPENAI_COMPATIBLE, events(WORDS, event, DONE)))) {
      assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.RATE_LIMITED);
      assertThat(error(outcome).message()).contains("Told so.");
    }
    assertThat(whole(Vendor.OPENAI_COMPATIBLE, whole).usage()).isEqualTo(USAGE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'code':429,'message':'Told so.'}",
        "{'status_code':'429','message':'Told so.'}",
        "{'error':429,'message':'Told so.'}"
      })
  void takesANumericCodeWithoutAnErrorForAFailure(String body) throws InterruptedException {
    for (var vendor : Vendor.values()) {
      for (var outcome :
          List.of(
              whole(vendor, body),
              stream(vendor, vendor == Vendor.OLLAMA ? body + "\n" : events(body)))) {
        assertThat(error(outcome).code()).as("%s", vendor).isEqualTo(LlmErrorCode.RATE_LIMITED);
        assertThat(error(outcome).message()).contains("Told so.");
      }
    }
  }

  // --- counts

  @Test
  void countsTheTokensOfAReplyWithoutAnAnswer() throws InterruptedException {
    var counts =
        "'usage':{'prompt_tokens':10,'completion_tokens':5,'input_tokens':10,'output_tokens':5}";
    var outcomes =
        List.of(
            whole(Vendor.OPENAI_COMPATIBLE, "{'choices':[]," + counts + "}"),
            whole(Vendor.OPENAI, "{'output':null," + counts + "}"),
            whole(Vendor.ANTHROPIC, "{'content':null," + counts + "}"),
            whole(
                Vendor.GEMINI,
                "{'candidates':[{'content':{'parts':[{'text':'Blue.'}]}}],'usageMetadata':"
                    + "{'promptTokenCount':10,'candidatesTokenCount':5}}"),
            whole(Vendor.OLLAMA, "{'message':null,'prompt_eval_count':10,'eval_count':5}"));

    assertThat(outcomes)
        .allSatisfy(outcome -> {
          assertThat(error(outcome).code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE);
          assertThat(outcome.usage()).isEqualTo(USAGE);
        });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        // Zeros until the last chunk.
        "{'choices':[{'delta':{},'finish_reason':'stop'}],'usage':{'prompt_tokens':0}}|" + COUNTS,
        // In the choice.
        "{'choices':[{'delta':{},'finish_reason':'stop',"
            + "'usage':{'prompt_tokens':10,'completion_tokens':5}}]}",
        "{'choices':[{'delta':{},'finish_reason':'stop'}],"
            + "'x_groq':{'usage':{'prompt_tokens':10,'completion_tokens':5}}}",
        // Ahead of the end.
        COUNTS + "|" + STOP
      })
  void findsTheTokensOfAStreamWhereverTheyAre(String rest) throws InterruptedException {
    var events = new ArrayList<>(List.of(WORDS));
    events.addAll(List.of(rest.split("\\|", -1)));
    events.add(DONE);

    var outcome = stream(Vendor.OPENAI_COMPATIBLE, events(events.toArray(String[]::new)));

    assertThat(text(outcome)).isEqualTo("Blue.");
    assertThat(outcome.usage()).isEqualTo(USAGE);
  }

  @Test
  void countsTheTokensOfAnEmbeddingByTheirTotal() throws InterruptedException {
    stub.next(StubReply.wire(full("{'data':[{'embedding':[1,2]}],'usage':{'total_tokens':3}}")));

    var outcome =
        Vendor.OPENAI_COMPATIBLE
            .at(stub.url().toString(), http)
            .embed(new EmbedCall(null, List.of("one"), null, Duration.ofSeconds(30)));

    assertThat(outcome.usage()).isEqualTo(new Usage(3, 0, 0, 0));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'input_tokens':10,'output_tokens':1} {'output_tokens':5}",
        "{'input_tokens':10,'output_tokens':1} {'input_tokens':null,'output_tokens':5}",
        "{'input_tokens':10,'output_tokens':1} {'input_tokens':0,'output_tokens':5}",
        "[] {'input_tokens':10,'output_tokens':5}",
        "7 {'input_tokens':10,'output_tokens':5}",
        "{'input_tokens':10,'output_tokens':5} []",
        "{'input_tokens':10,'output_tokens':5} null"
      })
  void readsTheCountsOfAMessageInAnyForm(String counts) throws InterruptedException {
    var both = counts.split(" ", 2);

    var outcome =
        stream(
            Vendor.ANTHROPIC,
            message(both[0], both[1])
                + events(
                    "{'type':'message_delta','delta':{'stop_reason':null}}",
                    "{'type':'message_stop'}"));

    assertThat(text(outcome)).isEqualTo("Blue.");
    assertThat(outcome.usage()).isEqualTo(USAGE);
    assertThat(((LlmOutcome.Answered) outcome).finishReason()).isEqualTo(FinishReason.STOP);
  }

  // --- ends

  @Test
  void takesAWholeAnswerWhoseStreamIsCutBehindIt() throws InterruptedException {
    var end = "{'candidates':[{'content':{'parts':[{'text':'Blue.'}]},'finishReason':'STOP'}]}";
    var outcomes =
        List.of(
            cut(Vendor.OPENAI_COMPATIBLE, events(WORDS, STOP)),
            cut(Vendor.ANTHROPIC, message("{}", "{}")),
            cut(Vendor.GEMINI, events(end)));

    assertThat(outcomes).allSatisfy(outcome -> assertThat(text(outcome)).isEqualTo("Blue."));
  }

  @Test
  void takesAMessageThatNothingStops() throws InterruptedException {
    assertThat(text(stream(Vendor.ANTHROPIC, message("{}", "{}")))).isEqualTo("Blue.");
    assertThat(text(stream(Vendor.ANTHROPIC, message("{}", "{}") + events(DONE))))
        .isEqualTo("Blue.");
  }

  @Test
  void takesAStreamThatEndsWithoutAReason() throws InterruptedException {
    var outcome = stream(Vendor.OPENAI_COMPATIBLE, events(WORDS, DONE + " "));

    assertThat(text(outcome)).isEqualTo("Blue.");
    assertThat(((LlmOutcome.Answered) outcome).finishReason()).isEqualTo(FinishReason.OTHER);
    assertThat(error(stream(Vendor.OPENAI_COMPATIBLE, events(DONE))).code())
        .isEqualTo(LlmErrorCode.CONNECTION_LOST);
  }

  // --- answers in odd forms

  @Test
  void takesAStreamThoughNoneWasAskedFor() throws InterruptedException {
    stub.next(StubReply.wire(wire(events(WORDS, STOP, COUNTS, DONE), Ending.WHOLE)));

    var outcome = ask(Vendor.OPENAI_COMPATIBLE, false);

    assertThat(text(outcome)).isEqualTo("Blue.");
    assertThat(outcome.usage()).isEqualTo(USAGE);
  }

  @Test
  void takesAWholeMessageInAnEvent() throws InterruptedException {
    var whole =
        "{'choices':[{'message':{'content':[{'type':'output_text','text':'Blue.'}]},"
            + "'finish_reason':'stop'}],'usage':{'prompt_tokens':10,'completion_tokens':5}}";

    assertThat(text(stream(Vendor.OPENAI_COMPATIBLE, events(whole, DONE)))).isEqualTo("Blue.");
    assertThat(text(whole(Vendor.OPENAI_COMPATIBLE, whole))).isEqualTo("Blue.");
  }

  @Test
  void namesTheModelThatWasAskedWhereTheReplyNamesNone() throws InterruptedException {
    var outcome =
        whole(
            Vendor.OPENAI_COMPATIBLE,
            "{'model':'','choices':[{'message':{'content':'Blue.'},'finish_reason':'stop'}]}");

    assertThat(((LlmOutcome.Answered) outcome).origin().model()).isEqualTo("model-1");
  }

  private static String message(String first, String last) {
    return events(
        "{'type':'message_start','message':{'model':'m','content':[],'stop_reason':null,"
            + "'usage':"
            + first
            + "}}",
        "{'type':'content_block_delta','index':0,'delta':{'type':'text_delta','text':'Blue.'}}",
        "{'type':'message_delta','delta':{'stop_reason':'end_turn'},'usage':" + last + "}");
  }

  private static String events(String... data) {
    return Arrays.stream(data).map(each -> "data: " + each + "\n\n").collect(Collectors.joining());
  }

  private LlmOutcome whole(Vendor vendor, String body) throws InterruptedException {
    stub.next(StubReply.wire(full(body)));
    return ask(vendor, false);
  }

  private LlmOutcome stream(Vendor vendor, String events) throws InterruptedException {
    stub.next(StubReply.wire(wire(events, Ending.WHOLE)));
    return ask(vendor, true);
  }

  private LlmOutcome cut(Vendor vendor, String events) throws InterruptedException {
    stub.next(StubReply.wire(wire(events, Ending.CUT)));
    return ask(vendor, true);
  }

  private static WireReply full(String body) {
    return new WireReply.Full(200, Map.of("Content-Type", "application/json"), json(body));
  }

  private static WireReply wire(String events, Ending ending) {
    return new WireReply.Stream(
        Map.of("Content-Type", "text/event-stream"), List.of(json(events)), ending, 0);
  }

  private static String json(String written) {
    return written.replace('\'', '"');
  }

  private LlmOutcome ask(Vendor vendor, boolean stream) throws InterruptedException {
    var call =
        stream
            ? ConformanceSuite.streamed("Why?", Duration.ofSeconds(30))
            : ConformanceSuite.call("Why?");
    return vendor.at(stub.url().toString(), http).ask(call, PieceListener.NONE);
  }

  private static LlmError error(LlmOutcome outcome) {
    return ConformanceSuite.error(outcome);
  }

  private static String text(LlmOutcome outcome) {
    if (outcome instanceof LlmOutcome.Answered answered) {
      return answered.text();
    }
    throw new AssertionError(outcome);
  }
}
