package org.pgoffload.dev.microbenchmarks;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.Routing;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.Signature;
import org.pgoffload.protocol.SigningKeys;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;

/// Reading and writing the messages of the topics, as small as those of the bench.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
public class Messages {
  private final byte[] envelope =
      """
      {"version":1,"id":42,"kind":"ask","ordering_key":null,"immediate":false,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"app",\
      "session_user_oid":16400,"role":"none"},\
      "payload":{"prompt":"Why is the sky blue?"}}\
      """
          .getBytes(UTF_8);

  private final byte[] result =
      """
      {"version":1,"id":42,"kind":"ask","status":"succeeded","requested_by":"app","requested_by_oid":16400,\
      "answer":"[echo, no model] Why is the sky blue?","finish_reason":"stop","provider":"echo","model":"echo-no-model",\
      "input_tokens":5,"cached_tokens":0,"output_tokens":8,"reasoning_tokens":0,\
      "attempts":1,"queued_ms":1.25,"ran_ms":0.5,"worker":"worker-1","finished_at":"2026-01-02T03:04:06.5Z",\
      "calls":[{"provider":"echo","model":"echo-no-model","at":"2026-01-02T03:04:06.4Z","ms":0.1,"count":1,\
      "input_tokens":5,"cached_tokens":0,"output_tokens":8,"reasoning_tokens":0}]}\
      """
          .getBytes(UTF_8);

  private final byte[] sqlResult =
      """
      {"version":1,"id":44,"kind":"sql","status":"succeeded","requested_by":"app","requested_by_oid":16400,\
      "attempt":1,"tags":["SELECT 1"],"row_count":1,\
      "columns":[{"name":"?column?","type":"int4","type_oid":23,"typmod":-1}],"rows":[["1"]],\
      "chunks":0,"queued_ms":1.25,"ran_ms":0.5,"worker":"worker-1","finished_at":"2026-01-02T03:04:06.5Z"}\
      """
          .getBytes(UTF_8);

  private final byte[] usage =
      """
      {"version":1,"minute":"2026-01-02T03:04:00Z","requested_by_oid":16400,"requested_by":"app",\
      "provider":"echo","model":"echo-no-model","requests":7,"failed":2,"cached":1,"calls":9,"failed_calls":3,\
      "input_tokens":1200,"cached_tokens":300,"output_tokens":500,"reasoning_tokens":20}\
      """
          .getBytes(UTF_8);

  private final byte[] rows =
      """
      {"version":1,"id":44,"kind":"sql_rows","requested_by_oid":16400,"attempt":1,"number":1,\
      "rows":[["1","c4ca4238a0b923820dcc509a6f75849b"],["2","c81e728d9d4c2f636f067f89cc14862c"]]}\
      """
          .getBytes(UTF_8);

  private final Result answered = Result.read(result);
  private final LlmUsage total = LlmUsage.read(usage);
  private final SigningKeys keys = SigningKeys.ofHex(Map.of(1, Secret.of("5f".repeat(32))));
  private final Signature signature = new Signature(1, "00".repeat(32));

  @Benchmark
  public Routing route() {
    return Routing.read(envelope);
  }

  @Benchmark
  public boolean verify() {
    return keys.verify(envelope, signature);
  }

  @Benchmark
  public Envelope readEnvelope() {
    return Envelope.read(envelope);
  }

  @Benchmark
  public byte[] writeResult() {
    return answered.write();
  }

  @Benchmark
  public Result readResult() {
    return Result.read(result);
  }

  @Benchmark
  public SqlResult readSqlResult() {
    return SqlResult.read(sqlResult);
  }

  @Benchmark
  public SqlRows readRows() {
    return SqlRows.read(rows);
  }

  @Benchmark
  public LlmUsage readUsage() {
    return LlmUsage.read(usage);
  }

  @Benchmark
  public byte[] writeUsage() {
    return total.write();
  }
}
