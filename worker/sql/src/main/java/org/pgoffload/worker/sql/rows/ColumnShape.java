package org.pgoffload.worker.sql.rows;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/// What a column's text is made of, where values are in it that another session would read
/// differently: names of objects, which are written as short as the task's `search_path` allows,
/// and money, which is written in the form of its `lc_monetary`.
sealed interface ColumnShape {
  long MONEY = 790;
  long REGPROC = 24;
  long REGPROCEDURE = 2202;
  long REGOPER = 2203;
  long REGOPERATOR = 2204;
  long REGCLASS = 2205;
  long REGTYPE = 2206;
  long REGCONFIG = 3734;
  long REGDICTIONARY = 3769;
  long REGCOLLATION = 4191;

  /// The types of such values. Names of roles and of schemas are the same in every session.
  Set<Long> DEPENDENT =
      Set.of(
          MONEY,
          REGPROC,
          REGPROCEDURE,
          REGOPER,
          REGOPERATOR,
          REGCLASS,
          REGTYPE,
          REGCONFIG,
          REGDICTIONARY,
          REGCOLLATION);

  /// Such a value itself.
  ///
  /// @param type its type's oid, one of [#DEPENDENT]
  record Leaf(long type) implements ColumnShape {}

  /// An array, of any number of dimensions.
  ///
  /// @param delimiter what stands between elements
  record Array(ColumnShape element, char delimiter) implements ColumnShape {}

  /// A composite value.
  ///
  /// @param fields empty for one whose text stays as it is
  record Row(List<Optional<ColumnShape>> fields) implements ColumnShape {
    public Row {
      fields = List.copyOf(fields);
    }
  }

  /// A range.
  record Range(ColumnShape bound) implements ColumnShape {}

  /// A set of ranges.
  record Multirange(Range range) implements ColumnShape {}
}
