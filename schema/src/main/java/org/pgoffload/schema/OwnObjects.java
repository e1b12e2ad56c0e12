package org.pgoffload.schema;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/// The objects that migrations make, read from their text, so that no list has to be kept
/// (functions whose names a script puts together are named there by `-- Makes:`). `install` must
/// not find such an object of a user's, and `uninstall` removes them.
///
/// @param functions and aggregates, each with the types of its arguments, as a `regprocedure` is
///   written where the search_path is `pg_catalog`
/// @param others tables, views, sequences and types, as `to_regclass` and `to_regtype` take them
/// @param comments the statements that give functions and views the text above them as their
///   comment
/// @param digest of the text of all migrations
public record OwnObjects(
    Set<String> functions, Set<String> others, String comments, String digest) {
  private static final String DIRECTORY = "filesystem:";
  private static final String CLASS_PATH = "classpath:";
  private static final String PUBLIC = "${public_schema}";
  private static final Pattern CREATED =
      Pattern.compile(
          "^ *create (?:or replace )?(function|aggregate|table|view|sequence|type) "
              + "(?:if not exists )?((?:pgoffload|\\$\\{public_schema})\\.[a-z0-9_]+)",
          Pattern.MULTILINE);

  /// The comment that names a function whose name the script puts together.
  private static final Pattern MADE =
      Pattern.compile("^-- Makes: (\\S+\\([^)]*\\))$", Pattern.MULTILINE);

  /// An object with the text above it: after `Public.`, or from `Private` on.
  private static final Pattern DESCRIBED =
      Pattern.compile(
          "^-- API: (?:Public\\. )?(.*\n(?:--.*\n)*)create or replace (function|aggregate|view) ([^\\s(]+)",
          Pattern.MULTILINE);

  private static final Pattern COMMENT = Pattern.compile("--[^\n]*");

  public OwnObjects {
    functions = Set.copyOf(functions);
    others = Set.copyOf(others);
  }

  /// Reads migrations.
  ///
  /// @param location where they are, as Flyway takes it, with a slash at its end
  /// @param files their names, sorted
  /// @param publicSchema as an SQL identifier
  static OwnObjects read(String location, List<String> files, String publicSchema) {
    var functions = new LinkedHashSet<String>();
    var others = new LinkedHashSet<String>();
    var comments = new StringBuilder();
    var digest = sha256();
    for (var file : files) {
      var script = content(location + file);
      digest.update(script.getBytes(StandardCharsets.UTF_8));
      MADE.matcher(script)
          .results()
          .map(made -> made.group(1).replace(", ", ",").replace(PUBLIC, publicSchema))
          .forEach(functions::add);
      DESCRIBED
          .matcher(script)
          .results()
          .map(described -> comment(described, script).replace(PUBLIC, publicSchema))
          .forEach(comments::append);
      var text = COMMENT.matcher(script).replaceAll("");
      var created = CREATED.matcher(text);
      while (created.find()) {
        var name = created.group(2).replace(PUBLIC, publicSchema);
        if (created.group(1).equals("function") || created.group(1).equals("aggregate")) {
          functions.add(name + arguments(text, created.end()).replace(PUBLIC, publicSchema));
        } else {
          others.add(name);
        }
      }
    }
    return new OwnObjects(
        functions, others, comments.toString(), HexFormat.of().formatHex(digest.digest()));
  }

  /// The statement that comments on an object. The lines of a paragraph are joined, but for those
  /// that are indented, as in a list.
  private static String comment(MatchResult described, String script) {
    var text =
        described
            .group(1)
            .strip()
            .replace("\n--\n-- ", "\n")
            .replaceAll("\n-- (?! )", " ")
            .replace("\n-- ", "\n");
    var kind = described.group(2);
    var arguments =
        kind.equals("view")
            ? ""
            : arguments(COMMENT.matcher(script.substring(described.end())).replaceAll(""), 0);
    return "comment on %s %s%s is '%s';\n"
        .formatted(kind, described.group(3), arguments, text.replace("'", "''"));
  }

  /// The types of a function's arguments, in parentheses.
  private static String arguments(String text, int start) {
    return "(" + String.join(",", argumentTypes(text, text.indexOf('(', start) + 1)) + ")";
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  /// The objects outside the schema `pgoffload`, among objects of users.
  OwnObjects publicOnes() {
    return new OwnObjects(outside(functions), outside(others), comments, digest);
  }

  private static Set<String> outside(Set<String> names) {
    var outside = new LinkedHashSet<>(names);
    outside.removeIf(name -> name.startsWith("pgoffload."));
    return outside;
  }

  /// @return empty if it is one of another version, of which only the history knows
  private static String content(String file) {
    try {
      if (file.startsWith(DIRECTORY)) {
        var path = Path.of(file.substring(DIRECTORY.length()));
        return Files.exists(path) ? Files.readString(path) : "";
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    try (var stream =
        OwnObjects.class
            .getClassLoader()
            .getResourceAsStream(file.substring(CLASS_PATH.length()))) {
      return stream == null ? "" : new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// The types of input arguments, up to the parenthesis that closes the list.
  private static List<String> argumentTypes(String text, int start) {
    var types = new ArrayList<String>();
    var argument = new StringBuilder();
    int depth = 0;
    boolean quoted = false;
    for (int i = start; ; i++) {
      char c = text.charAt(i);
      quoted ^= c == '\'';
      if (!quoted && depth == 0 && (c == ',' || c == ')')) {
        addType(types, argument.toString().strip());
        argument.setLength(0);
        if (c == ')') {
          return types;
        }
        continue;
      }
      if (!quoted) {
        depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
      }
      argument.append(c);
    }
  }

  private static void addType(List<String> types, String argument) {
    if (argument.isEmpty() || argument.startsWith("out ")) {
      return;
    }
    // a mode, a name, the type, and a default: each but the type may be missing
    var rest = argument.replaceFirst("^(in|inout|variadic) ", "").replaceFirst(" default .*", "");
    var type = rest.replaceFirst("^[a-z_0-9]+\\s+", "").strip();
    types.add(type.replace("timestamptz", "timestamp with time zone"));
  }
}
