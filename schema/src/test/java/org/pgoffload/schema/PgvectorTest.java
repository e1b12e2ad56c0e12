package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.platform.DatabaseAddress;

/// Embeddings are vectors of pgvector. Needs a server that has the extension, which the embedded
/// ones have not: `-Dpgoffload.pgvector.url=postgresql://…`, the login of a superuser with
/// `wal_level = logical`. Works in a database of its own and leaves nothing but the roles of the
/// parts.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(60)
@SuppressWarnings("NullAway.Init") // JUnit sets both before the first test
final class PgvectorTest {
  private DatabaseAddress server;
  private DatabaseAddress address;

  @BeforeAll
  void create() {
    var url = System.getProperty("pgoffload.pgvector.url");
    assumeTrue(
        url != null,
        "needs PostgreSQL with pgvector: -Dpgoffload.pgvector.url=postgresql://user:password@host/postgres");
    server = DatabaseAddress.parse(Objects.requireNonNull(url));
    var name = "pgoffload_" + UUID.randomUUID().toString().replace('-', '_');
    try (var admin = Session.open(server)) {
      assumeTrue(
          !admin.rows("select from pg_available_extensions where name = 'vector'").isEmpty(),
          "the server of pgoffload.pgvector.url has no pgvector");
      admin.run("create database " + name);
    }
    address =
        new DatabaseAddress(
            server.host(),
            server.port(),
            name,
            server.user(),
            server.password(),
            server.parameters());
    InstallSchema.run(address, InstallSchema.DEFAULT_PUBLIC_SCHEMA);
  }

  @AfterAll
  void drop() {
    if (address != null) {
      try (var admin = Session.open(server)) {
        admin.run("drop database " + address.database() + " with (force)");
      }
    }
  }

  @Test
  void takesEmbeddingsForItsVectors() {
    try (var admin = Session.open(address);
        var caller = Session.open(address)) {
      admin.run("create extension vector");
      admin.run(
          "create table note (id bigint generated always as identity, body text, embedding vector(3))");
      var id =
          admin.number(
              "insert into llm_request (kind, inputs) values ('embed', '{north,east,up}') returning id");
      embedded(admin, id, "[[1,0,0],[0,1,0],[0.1,0.2,2.5e-7]]");
      // by assignment, without a word
      admin.run(
          """
          insert into note (body, embedding)
          select q.inputs[e.ord], e.embedding
          from llm_request q, lateral llm_embeddings(q.id) e where q.id = ? order by e.ord
          """,
          id);
      assertThat(admin.rows("select body, embedding from note order by id"))
          .containsExactly("north|[1,0,0]", "east|[0,1,0]", "up|[0.1,0.2,2.5e-07]");

      var before = admin.number("select last_value from pgoffload.request_id");
      var nearest =
          CompletableFuture.supplyAsync(() ->
              caller.rows(
                  "select body from note order by embedding <=> (select llm_embed('where the sun rises')::vector) limit 1"));
      var asked =
          Awaitility.await()
              .pollInterval(Duration.ofMillis(20))
              .until(
                  () -> admin.number("select last_value from pgoffload.request_id"),
                  last -> last > before);
      embedded(admin, asked, "[[0.1,0.9,0]]");
      assertThat(nearest.join()).isEqualTo(List.of("east"));
    }
  }

  private static void embedded(Session admin, long id, String embeddings) {
    admin.run(
        "insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid) values (?, 1, 'w', 1, 10)",
        id);
    admin.run(
        "select written from pgoffload.write_back(?, '{}', '{}', '{}', '{}', false)",
        (Object)
            new String[] {
              """
              {"version": 1, "id": %d, "kind": "embed", "status": "succeeded", "requested_by_oid": 10, "attempts": 1,
               "finished_at": "2026-01-02T03:04:05Z", "embeddings": %s}
              """
                  .formatted(id, embeddings)
            });
  }
}
