package org.pgoffload.schema;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;

/// Embeddings are vectors of pgvector: of a stand-in for it, because no server of the tests has the
/// extension. `-Dpgoffload.pgvector.url=postgresql://…`, the login of a superuser with `wal_level =
/// logical`, names a server that has it; the test works in a database of its own there, and leaves
/// nothing but the roles of the parts.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(60)
@SuppressWarnings("NullAway.Init") // JUnit sets both before the first test
final class PgvectorTest {
  private DatabaseAddress server;
  private DatabaseAddress address;

  @BeforeAll
  void create() throws IOException {
    var url = System.getProperty("pgoffload.pgvector.url");
    server =
        url == null
            ? TestServer.of(PostgresVersion.V18).admin("postgres")
            : DatabaseAddress.parse(url);
    var name = "pgoffload_" + UUID.randomUUID().toString().replace('-', '_');
    try (var admin = Session.open(server)) {
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
    try (var admin = Session.open(address)) {
      admin.run(url == null ? standIn() : "create extension vector");
    }
  }

  private static String standIn() throws IOException {
    try (var sql = PgvectorTest.class.getResourceAsStream("vector.sql")) {
      return new String(requireNonNull(sql).readAllBytes(), UTF_8);
    }
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
      assertThat(admin.rows("select body, embedding::real[] from note order by id"))
          .containsExactly("north|{1,0,0}", "east|{0,1,0}", "up|{0.1,0.2,2.5e-07}");

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
