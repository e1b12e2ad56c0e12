package org.pgoffload.dev.tests;

import static java.util.stream.Collectors.toCollection;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.pgoffload.launcher.Main;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.worker.models.LlmErrorCode;
import picocli.CommandLine;

/// The documents are complete, lead somewhere, and name what the code names.
class DocumentsTest {
  private static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();
  private static final Path DOCS = ROOT.resolve("docs");

  /// What the release archive carries beside the directories `docs` and `examples`.
  private static final Set<String> RELEASED =
      Set.of(
          "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "docs", "examples");

  private static final Pattern LINK = Pattern.compile("]\\(([^)\\s]+)\\)");
  private static final Pattern CODE = Pattern.compile("(?ms)^ *```.*?^ *```");
  private static final Pattern HEADING = Pattern.compile("(?m)^#+ +(.+?)$");
  private static final Pattern NAME = Pattern.compile("`([A-Z][A-Z0-9_]*)`");
  private static final Pattern VARIABLE = Pattern.compile("PGOFFLOAD_[A-Z0-9_]*[A-Z0-9]");
  private static final Pattern LITERAL =
      Pattern.compile(
          "\"((?:PGOFFLOAD|LLM|OPENAI|AZURE|ANTHROPIC|GEMINI|GOOGLE|MISTRAL|OLLAMA)"
              + "_[A-Z0-9_]*[A-Z0-9])\"");
  private static final Pattern OPTION_ROW =
      Pattern.compile("(?m)^\\| `([a-z- ]+)` \\| `(--[a-z-]+)` \\|");
  private static final Pattern OWN_STATE = Pattern.compile("'((?:PO|LM)\\d{3})'");

  /// Beginnings of names, which no variable has.
  private static final Set<String> BEGINNINGS = Set.of("PGOFFLOAD_PRODUCER", "PGOFFLOAD_RESULTS");

  /// The names that the code puts together.
  private static final List<String> COMPOSED =
      Stream.of("PRODUCER", "WORKER", "RESULTS")
          .flatMap(part -> Stream.of("_DATABASE_URL", "_PASSWORD").map(end -> part + end))
          .map("PGOFFLOAD_"::concat)
          .toList();

  @Test
  void theReadmeIsShortAndNamesTheTestCommand() throws IOException {
    assertThat(text(ROOT.resolve("README.md")).lines().count()).isLessThanOrEqualTo(150);
    assertThat(text(ROOT.resolve("README.md"))).contains("./mvnw verify");
  }

  @Test
  void theReadmeLinksEveryDocumentAndTheListOfDecisionsEveryDecision() throws IOException {
    assertThat(linked(ROOT.resolve("README.md"))).containsAll(in(DOCS));
    var decisions = DOCS.resolve("decisions");
    assertThat(linked(decisions.resolve("README.md")))
        .containsAll(in(decisions).stream().filter(file -> !file.endsWith("README.md")).toList());
  }

  @Test
  void everyLinkLeadsToAFileOfTheReleaseAndToAHeadingOfIt() throws IOException {
    var broken = new ArrayList<String>();
    for (var document : documents()) {
      for (var link : links(document)) {
        var parts = link.split("#", 2);
        var target = parts[0].isEmpty() ? document : target(document, parts[0]);
        var where = ROOT.relativize(document) + ": " + link;
        if (!Files.exists(target)) {
          broken.add(where + " is not there");
        } else if (!RELEASED.contains(ROOT.relativize(target).getName(0).toString())) {
          broken.add(where + " is not in the release archive");
        } else if (parts.length == 2 && !anchors(target).contains(parts[1])) {
          broken.add(where + " names no heading");
        }
      }
    }
    assertThat(broken).isEmpty();
  }

  @Test
  void everyVariableOfTheCodeStandsOnceInTheConfigurationAndNoOther() throws IOException {
    var documented = new TreeMap<String, Integer>();
    for (var row : rows(DOCS.resolve("configuration.md"))) {
      NAME.matcher(row.split("(?<!\\\\)\\|", 3)[1])
          .results()
          .forEach(name -> documented.merge(name.group(1), 1, Integer::sum));
    }
    assertThat(documented.values()).allMatch(times -> times == 1);

    var inCode = new TreeSet<>(COMPOSED);
    for (var file : sources(".java", ".xml")) {
      LITERAL.matcher(text(file)).results().forEach(found -> inCode.add(found.group(1)));
      if (file.endsWith("logback.xml")) {
        VARIABLE.matcher(text(file)).results().forEach(found -> inCode.add(found.group()));
      }
    }
    for (var file :
        List.of("pgoffload", "dev/launcher/src/release/bin/pgoffload", "docker-compose.yml")) {
      VARIABLE
          .matcher(text(ROOT.resolve(file)))
          .results()
          .map(found -> found.group().replaceFirst("_FILE$", ""))
          .forEach(inCode::add);
    }
    inCode.removeAll(BEGINNINGS);
    assertThat(documented.keySet())
        .filteredOn(name -> LITERAL.matcher('"' + name + '"').matches())
        .containsExactlyInAnyOrderElementsOf(inCode);
  }

  @Test
  void everyOptionOfTheCommandsStandsOnceInTheConfiguration() throws IOException {
    var options = new ArrayList<String>();
    addOptions(Main.commandLine(), "", options);
    var everywhere = Set.of("--help", "--version");
    var ofTheEnvironment = Set.of("--database-url", "--kafka", "--topic-prefix", "--slot");
    // acls and bench have their own
    Predicate<String> own = option -> option.startsWith("acls ") || option.startsWith("bench ");
    options.removeIf(option -> {
      var name = option.substring(option.lastIndexOf(' ') + 1);
      return everywhere.contains(name) || (ofTheEnvironment.contains(name) && !own.test(option));
    });
    assertThat(
            OPTION_ROW
                .matcher(text(DOCS.resolve("configuration.md")))
                .results()
                .map(row -> row.group(1) + " " + row.group(2)))
        .containsExactlyInAnyOrderElementsOf(options);
  }

  @Test
  void everyCodeOfTheCodeStandsInTheErrors() throws IOException {
    var states = new TreeSet<String>();
    for (var file : sources(".sql")) {
      OWN_STATE.matcher(text(file)).results().forEach(found -> states.add(found.group(1)));
    }
    var errors = DOCS.resolve("errors.md");
    assertThat(firsts(errors))
        .filteredOn(code -> code.matches("(PO|LM)\\d{3}"))
        .hasSameElementsAs(states)
        .doesNotHaveDuplicates();
    assertThat(firsts(errors))
        .containsAll(Arrays.stream(LlmErrorCode.values()).map(LlmErrorCode::code).toList());
    var reasons = section(errors, "## Reasons of dead letters");
    assertThat(Arrays.stream(DeadLetterReason.values()).map(DeadLetterReason::code))
        .containsExactlyInAnyOrderElementsOf(firsts(reasons));
  }

  private static void addOptions(CommandLine command, String path, List<String> options) {
    for (Map.Entry<String, CommandLine> each : command.getSubcommands().entrySet()) {
      var name = (path + " " + each.getKey()).strip();
      for (var option : each.getValue().getCommandSpec().options()) {
        options.add(name + " " + option.longestName());
      }
      addOptions(each.getValue(), name, options);
    }
  }

  /// The names in backticks with which the rows of its tables begin.
  private static List<String> firsts(Path document) throws IOException {
    return firsts(text(document));
  }

  private static List<String> firsts(String text) {
    return text.lines()
        .filter(line -> line.startsWith("| `"))
        .flatMap(row -> Pattern.compile("`([^`]+)`").matcher(row.split("\\|", 3)[1]).results())
        .map(found -> found.group(1))
        .toList();
  }

  private static String section(Path document, String heading) throws IOException {
    var text = text(document);
    var from = text.substring(text.indexOf("\n" + heading + "\n") + 1 + heading.length());
    int next = from.indexOf("\n## ");
    return next < 0 ? from : from.substring(0, next);
  }

  private static List<String> rows(Path document) throws IOException {
    return text(document).lines().filter(line -> line.startsWith("| `")).toList();
  }

  private static Set<Path> linked(Path document) throws IOException {
    var files = new TreeSet<Path>();
    for (var link : links(document)) {
      files.add(target(document, link.split("#", 2)[0]));
    }
    return files;
  }

  /// Those that lead to a file; addresses of the web are left out.
  private static List<String> links(Path document) throws IOException {
    return LINK.matcher(CODE.matcher(text(document)).replaceAll(""))
        .results()
        .map(found -> found.group(1))
        .filter(link -> !link.matches("[a-z]+:.*"))
        .toList();
  }

  private static Path target(Path document, String link) {
    return Objects.requireNonNull(document.getParent()).resolve(link).normalize();
  }

  /// The headings of a document, as GitHub names them in links.
  private static Set<String> anchors(Path document) throws IOException {
    return HEADING
        .matcher(CODE.matcher(text(document)).replaceAll(""))
        .results()
        .map(found ->
            found
                .group(1)
                .replaceAll("]\\([^)]*\\)", "")
                .toLowerCase(Locale.ROOT)
                .replaceAll("[^\\p{L}\\p{N} _-]", "")
                .replace(' ', '-'))
        .collect(toCollection(TreeSet::new));
  }

  /// A class, a file or a directory that `CONTRIBUTING.md` sends its reader to.
  @Test
  void contributingNamesPlacesThatAreThere() throws IOException {
    var names = new TreeSet<String>();
    try (var files = Files.walk(ROOT)) {
      files
          .filter(
              file -> !file.toString().contains("/target/") && !file.toString().contains("/.git/"))
          .forEach(file -> {
            names.add(ROOT.relativize(file).toString());
            names.add(file.getFileName().toString());
            names.add(file.getFileName().toString().replaceFirst("[.]java$", ""));
          });
    }
    var place =
        Pattern.compile(
            "`([A-Z][a-z]+(?:[A-Z][A-Za-z]*)+|[a-z-]+/[a-z/-]+|[\\w.-]+[.](?:sql|json|txt|yml))`");
    assertThat(
            place
                .matcher(text(ROOT.resolve("CONTRIBUTING.md")))
                .results()
                .map(found -> found.group(1)))
        .isNotEmpty()
        .allMatch(names::contains);
  }

  private static List<Path> documents() throws IOException {
    var documents = new ArrayList<Path>();
    for (var name : List.of("README.md", "CONTRIBUTING.md", "CHANGELOG.md")) {
      documents.add(ROOT.resolve(name));
    }
    documents.addAll(in(DOCS));
    documents.addAll(in(DOCS.resolve("decisions")));
    return documents;
  }

  private static List<Path> in(Path directory) throws IOException {
    try (var files = Files.list(directory)) {
      return files.filter(file -> file.toString().endsWith(".md")).sorted().toList();
    }
  }

  /// Files of `src/main` in every module.
  private static List<Path> sources(String... endings) throws IOException {
    var sources = new ArrayList<Path>();
    Files.walkFileTree(
        ROOT,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
            return Set.of("target", ".git").contains(String.valueOf(directory.getFileName()))
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            var path = file.toString();
            if (path.contains("/src/main/") && Arrays.stream(endings).anyMatch(path::endsWith)) {
              sources.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    return sources;
  }

  private static String text(Path file) throws IOException {
    return Files.readString(file);
  }
}
