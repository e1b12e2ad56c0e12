package org.pgoffload.worker.sql.rows;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Only the leaves of a value's text change, and it stays the text of one.
final class RewriteLeavesTest {
  private static final ColumnShape LEAF = new ColumnShape.Leaf(ColumnShape.REGCLASS);
  private static final ColumnShape ARRAY = new ColumnShape.Array(LEAF, ',');
  private static final ColumnShape ROW =
      new ColumnShape.Row(List.of(Optional.empty(), Optional.of(LEAF), Optional.of(ARRAY)));

  private static ColumnShape shape(String name) {
    return switch (name) {
      case "leaf" -> LEAF;
      case "array" -> ARRAY;
      case "boxes" -> new ColumnShape.Array(LEAF, ';');
      case "row" -> ROW;
      case "rows" -> new ColumnShape.Array(ROW, ',');
      case "range" -> new ColumnShape.Range(LEAF);
      case "multirange" -> new ColumnShape.Multirange(new ColumnShape.Range(LEAF));
      default -> throw new IllegalArgumentException(name);
    };
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "leaf | a | s.a",
        "array | {} | {}",
        "array | {a} | {s.a}",
        "array | {a,NULL,\"b c\",\"NULL\"} | {s.a,NULL,\"s.b c\",s.NULL}",
        "array | {\"\"} | {s.}",
        "array | {\"a\\\"b\",\"c\\\\d\"} | {\"s.a\\\"b\",\"s.c\\\\d\"}",
        "array | [0:1][2:2]={{a},{b}} | [0:1][2:2]={{s.a},{s.b}}",
        "boxes | {a;b,c} | {s.a;s.b,c}",
        "row | (x,a,{b}) | (x,s.a,{s.b})",
        "row | (\"x, \"\"y\"\"\\\\\",\"a b\",\"{b,\"\"c d\"\"}\") | (\"x, \"\"y\"\"\\\\\",\"s.a b\",\"{s.b,\"\"s.c d\"\"}\")",
        "row | (,,) | (,,)",
        "row | (\"\",\"\",{}) | (\"\",s.,{})",
        "rows | {\"(x,a,{b})\",NULL} | {\"(x,s.a,{s.b})\",NULL}",
        "range | [a,b) | [s.a,s.b)",
        "range | (,\"b]\"] | (,\"s.b]\"]",
        "range | empty | empty",
        "multirange | {[a,b),(c,)} | {[s.a,s.b),(s.c,)}",
        "multirange | {} | {}"
      })
  void replacesLeavesAlone(String shape, String text, String expected) {
    assertThat(RewriteLeaves.rewrite(shape(shape), text, (_, leaf) -> "s." + leaf))
        .isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "row | (x,a)",
        "row | (x,a,{b},c)",
        "row | x",
        "row | (x,\"a",
        "range | [a",
        "multirange | {a}"
      })
  void leavesWhatHasAnotherShape(String shape, String text) {
    assertThat(RewriteLeaves.rewrite(shape(shape), text, (_, leaf) -> "s." + leaf)).isEqualTo(text);
  }

  @Test
  void leavesATextThatIsNotReplaced() {
    var text = "{\"(\\\"x, \\\"\\\"y\\\",a,\\\"{b,\\\"\\\"c d\\\"\\\"}\\\")\"}";
    assertThat(RewriteLeaves.rewrite(shape("rows"), text, (_, leaf) -> leaf)).isEqualTo(text);
  }
}
