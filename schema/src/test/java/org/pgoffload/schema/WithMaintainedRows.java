package org.pgoffload.schema;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.pgoffload.protocol.Result;

/// Gives each test a session of `writer`, who may write to the tables of the shop and do nothing
/// else, and plays what answers and what steps.
@SuppressWarnings("NullAway.Init") // set before each test
abstract class WithMaintainedRows extends WithMaintainedColumns {
  Session writer;
  PlayedSqlWorker sql;

  @BeforeEach
  void logInToWrite() {
    database
        .admin()
        .run(
            """
            do $$ begin
              if to_regrole('ticket_writer') is null then create role ticket_writer; end if;
            end $$;
            alter role keeper password 'keeper';
            grant usage on schema shop to ticket_writer;
            grant all on all tables in schema shop to ticket_writer
            """);
    writer = as("ticket_writer");
    sql = closedAfterTheTest(database.sqlWorker("sql"));
    sql.renewLease();
    database.sent();
  }

  /// A row of `shop.ticket`, with its body as the subject as well.
  void write(int id, @Nullable String body) {
    writer.run("insert into shop.ticket (id, subject, body) values (?, ?, ?)", id, body, body);
  }

  String ticket(int id, String column) {
    return String.valueOf(
        database.admin().value("select " + column + " from shop.ticket where id = " + id));
  }

  /// The requests of maintained columns that were sent.
  List<SentRequest> asked() {
    return database.sent().stream().filter(r -> !r.envelope().kind().equals("sql")).toList();
  }

  /// The texts of the requests that were sent.
  List<String> prompts() {
    return asked().stream().map(WithMaintainedRows::prompt).toList();
  }

  static String prompt(SentRequest request) {
    var payload = request.envelope().payload();
    return payload.has("inputs")
        ? payload.path("inputs").path(0).asText()
        : payload.path("prompt").asText();
  }

  /// Answers each request by what it asks, and takes steps, until nothing is under way.
  void answerAll(Function<SentRequest, Result> answers) {
    var waiting = new ArrayList<>(database.sent());
    for (int idle = 0; idle < 2; idle++) {
      while (!waiting.isEmpty()) {
        for (var request : waiting) {
          if (request.envelope().kind().equals("sql")) {
            sql.run(request);
          } else {
            database.record(answers.apply(request));
          }
        }
        waiting.clear();
        waiting.addAll(database.sent());
        idle = 0;
      }
      step();
      waiting.addAll(database.sent());
    }
  }

  /// The same, each with its text in capitals; a request without a text as a worker ends it.
  void answerAll() {
    answerAll(request -> {
      var mark = request.envelope().payload().path("maintained");
      return mark.has("end") && !mark.path("end").path("code").asText().equals("blank")
          ? database.ended(
              request.id(),
              "keeper",
              "failed",
              mark.path("end").path("code").asText(),
              mark.path("end").path("message").asText())
          : database.answered(
              request.id(),
              "keeper",
              mark.has("end") ? null : prompt(request).toUpperCase(Locale.ROOT));
    });
  }

  void step() {
    database.asResults(results -> results.run("select pgoffload.step_maintained()"));
  }

  /// What `llm_maintained` shows of the column mood.
  String shown(String columns) {
    return keeper.rows("select " + columns + " from llm_maintained where name = 'mood'").getFirst();
  }
}
