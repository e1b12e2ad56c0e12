package org.pgoffload.schema;

/// Lets a test of maintained columns act on another database for a while.
record OtherDatabase(
    WithMaintainedRows test,
    TestDatabase before,
    Session keeperBefore,
    Session writerBefore,
    PlayedSqlWorker sqlBefore,
    long askedBefore)
    implements AutoCloseable {
  /// The table of most tests, with its columns in another order.
  static void makeTable(TestDatabase database) {
    database
        .admin()
        .run(
            """
            create schema shop authorization ticket_owner;
            grant usage on schema shop to keeper, ticket_writer;
            set session authorization ticket_owner;
            create table shop.ticket (id bigint primary key, x int, mood text, body text, subject text);
            alter table shop.ticket drop column x;
            grant select, update, trigger on shop.ticket to keeper;
            grant all on shop.ticket to ticket_writer;
            reset session authorization
            """);
  }

  static OtherDatabase of(WithMaintainedRows test, TestDatabase database) {
    var other =
        new OtherDatabase(
            test, test.database, test.keeper, test.writer, test.sql, requests(database));
    test.database = database;
    test.keeper = test.as("keeper");
    test.writer = test.as("ticket_writer");
    test.sql = database.sqlWorker("sql");
    test.sql.renewLease();
    return other;
  }

  /// How many requests were made in it since.
  long asked() {
    return requests(test.database) - askedBefore;
  }

  private static long requests(TestDatabase database) {
    return database.admin().number("select count(*) from llm_request");
  }

  @Override
  public void close() {
    test.sql.close();
    test.keeper.close();
    test.writer.close();
    test.database = before;
    test.keeper = keeperBefore;
    test.writer = writerBefore;
    test.sql = sqlBefore;
  }
}
