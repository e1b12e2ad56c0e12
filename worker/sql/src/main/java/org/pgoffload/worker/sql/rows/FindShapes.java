package org.pgoffload.worker.sql.rows;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// The shapes of types, as the catalogs say what each is made of.
///
/// For one thread and one description.
final class FindShapes {
  private static final String IS_ARRAY =
      """
      exists (
        select from pg_catalog.pg_type x
        where x.oid operator(pg_catalog.=) t.typelem and x.typarray operator(pg_catalog.=) t.oid)\
      """;

  /// Of the type `t`: whether it is made of other types.
  static final String IS_MADE_OF_OTHERS =
      "(t.typtype operator(pg_catalog.=) any (array['c', 'd', 'r', 'm']::pg_catalog.\"char\"[]) or "
          + IS_ARRAY
          + ")";

  /// The types that `t` is made of, in their order.
  private static final String PARTS_OF_TYPE =
      """
      select t.typelem, 0 where %s
      union all
      select t.typbasetype, 0 where t.typtype operator(pg_catalog.=) 'd'
      union all
      select a.atttypid, a.attnum from pg_catalog.pg_attribute a
      where t.typtype operator(pg_catalog.=) 'c' and a.attrelid operator(pg_catalog.=) t.typrelid
        and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
      union all
      select r.rngsubtype, 0 from pg_catalog.pg_range r where r.rngtypid operator(pg_catalog.=) t.oid
      union all
      select r.rngtypid, 0 from pg_catalog.pg_range r where r.rngmultitypid operator(pg_catalog.=) t.oid
      """
          .formatted(IS_ARRAY);

  /// Of types and all that they are made of: the kind, the parts, the delimiter.
  private static final String PARTS =
      """
      with recursive made (oid) as (
        select pg_catalog.unnest(?::pg_catalog.oid[])
        union
        select p.oid from made m join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) m.oid,
        lateral (%1$s) p (oid, number)
      )
      select t.oid, case when %2$s then 'a' else t.typtype end,
        pg_catalog.array_to_string(array(select p.oid from (%1$s) p (oid, number) order by p.number), ','), t.typdelim
      from made m join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) m.oid
      """
          .formatted(PARTS_OF_TYPE, IS_ARRAY);

  private final Map<Long, Made> types;
  private final Map<Long, Optional<ColumnShape>> shapes = new HashMap<>();

  private record Made(char kind, List<Long> parts, char delimiter) {}

  private FindShapes(Map<Long, Made> types) {
    this.types = types;
  }

  /// @param types the oids of those that are made of others
  static FindShapes of(Connection connection, Collection<Long> types) throws SQLException {
    var made = new HashMap<Long, Made>();
    if (!types.isEmpty()) {
      try (var statement = connection.prepareStatement(PARTS)) {
        statement.setString(
            1, types.stream().map(String::valueOf).collect(Collectors.joining(",", "{", "}")));
        try (var row = statement.executeQuery()) {
          while (row.next()) {
            var parts = new ArrayList<Long>();
            for (var part : row.getString(3).split(",", -1)) {
              if (!part.isEmpty()) {
                parts.add(Long.valueOf(part));
              }
            }
            made.put(
                row.getLong(1),
                new Made(row.getString(2).charAt(0), parts, row.getString(4).charAt(0)));
          }
        }
      }
    }
    return new FindShapes(made);
  }

  /// The shape of a type, empty where its text says the same in every session.
  Optional<ColumnShape> of(long type) {
    if (ColumnShape.DEPENDENT.contains(type)) {
      return Optional.of(new ColumnShape.Leaf(type));
    }
    var known = shapes.get(type);
    if (known == null) {
      known = find(type);
      shapes.put(type, known);
    }
    return known;
  }

  private Optional<ColumnShape> find(long type) {
    var made = types.get(type);
    if (made == null || made.parts.isEmpty()) {
      return Optional.empty();
    }
    long part = made.parts.getFirst();
    return switch (made.kind) {
      case 'a' -> of(part).map(element -> new ColumnShape.Array(element, delimiter(part)));
      case 'd' -> of(part);
      case 'c' -> {
        var fields = made.parts.stream().map(this::of).toList();
        yield fields.stream().anyMatch(Optional::isPresent)
            ? Optional.of(new ColumnShape.Row(fields))
            : Optional.empty();
      }
      case 'r' -> of(part).map(ColumnShape.Range::new);
      case 'm' -> of(part).map(range -> new ColumnShape.Multirange((ColumnShape.Range) range));
      default -> Optional.empty();
    };
  }

  /// An array's is that of its elements' type.
  private char delimiter(long element) {
    var made = types.get(element);
    return made == null ? ',' : made.delimiter;
  }
}
