package org.pgoffload.console.requests;

import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One request, as its page shows it.
///
/// @param state how it stands
/// @param texts what was asked and answered, or null where they are hidden until asked for
/// @param facts name and value of all else that is known of it
/// @param timeline its hops, in their order
/// @param calls to models
public record ShownRequest(
    long id,
    String kind,
    State state,
    @Nullable Texts texts,
    List<Fact> facts,
    List<Hop> timeline,
    List<Call> calls) {

  /// How it stands.
  ///
  /// @param status as `llm_status` and `sql_status` name it
  /// @param why why it waits, or null
  /// @param fault why it failed, or null
  public record State(String status, @Nullable Why why, @Nullable Fault fault) {}

  /// Why it waits, as `request_why` says.
  ///
  /// @param reason a sentence
  /// @param hint what to do, or null
  /// @param until before when it will not change, or null
  /// @param asOf when that was known
  public record Why(
      String reason, @Nullable String hint, @Nullable Instant until, @Nullable Instant asOf) {}

  /// What was asked and answered.
  ///
  /// @param question prompt, or command
  /// @param more the system's instructions and earlier messages, or null
  /// @param answer or null while there is none
  /// @param table rows of SQL; or null
  /// @param copy the statement that does the same
  public record Texts(
      String question,
      @Nullable String more,
      @Nullable String answer,
      @Nullable Table table,
      String copy) {}

  /// Rows of background SQL, as texts.
  ///
  /// @param left what is not shown, in words; or empty
  public record Table(List<String> columns, List<List<@Nullable String>> rows, String left) {}

  /// Why it failed.
  public record Fault(String code, String words, @Nullable String detail, @Nullable String hint) {}

  /// One thing that is known of it.
  public record Fact(String name, String value) {}

  /// A moment of its way.
  ///
  /// @param at null where nobody knows
  /// @param detail more words, or empty
  public record Hop(String name, @Nullable Instant at, String detail) {}

  /// A call to a model.
  ///
  /// @param times how many calls alike it stands for
  public record Call(
      String target,
      String outcome,
      @Nullable Instant at,
      String took,
      String tokens,
      long times) {}

  /// Whether it is background SQL.
  public boolean isSql() {
    return Objects.equals(kind, RequestFilter.SQL);
  }

  public String status() {
    return state.status();
  }

  /// Whether it waits or runs.
  public boolean isPending() {
    return isPending(status());
  }

  static boolean isPending(String status) {
    return status.equals("queued") || status.equals("running");
  }
}
