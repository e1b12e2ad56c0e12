package org.pgoffload.worker.sql.rows;

import static java.util.Objects.requireNonNull;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.pgoffload.protocol.SqlColumn;
import org.postgresql.core.Field;

/// Says of a task's columns how SQL names their types, and what of their text depends on the task's
/// session. What it says of the server's own types is remembered: they never change.
///
/// Safe to share between threads.
public final class DescribeColumns {
  /// The first oid that is not the server's own.
  private static final long FIRST_NORMAL_OID = 16_384;

  /// Modifiers make them many.
  private static final int MOST_REMEMBERED = 10_000;

  /// The name is the same under every search_path, since it is remembered for tasks of other roles.
  /// With quote_all_identifiers it has quotes that are not for others.
  private static final String NAMES =
      """
      select coalesce(pg_catalog.regexp_replace(n.name, '^pg_catalog[.]', ''), 'unknown'),
        pg_catalog.current_setting('quote_all_identifiers') operator(pg_catalog.=) 'off',
        exists (select from pg_catalog.pg_type t where t.oid operator(pg_catalog.=) c.type and %s)
      from rows from (
        pg_catalog.unnest(?::pg_catalog.oid[]),
        pg_catalog.unnest(?::pg_catalog.int4[])) with ordinality as c(type, modifier, number),
      lateral (select %s) n (name)
      order by c.number
      """
          .formatted(FindShapes.IS_MADE_OF_OTHERS, TypeNames.of("c.type", "c.modifier"));

  private final Map<Type, Known> known = new ConcurrentHashMap<>();

  private record Type(long oid, int modifier) {
    static Type of(Field field) {
      // the driver has an unsigned number in an int
      return new Type(Integer.toUnsignedLong(field.getOID()), field.getMod());
    }
  }

  private record Known(String name, Optional<ColumnShape> shape) {}

  /// The columns of a statement.
  ///
  /// @param shapes of each, empty where its text says the same in every session
  public record Described(List<SqlColumn> columns, List<Optional<ColumnShape>> shapes) {
    public Described {
      columns = List.copyOf(columns);
      shapes = List.copyOf(shapes);
    }
  }

  /// What the fields of a result are, and how their text is read elsewhere.
  ///
  /// @param connection of the task, inside its transaction: a type may be of its own making
  public Described describe(Connection connection, Field[] fields) throws SQLException {
    var types = Arrays.stream(fields).map(Type::of).toList();
    var said = known.keySet().containsAll(types) ? known : ask(connection, types);
    var columns = new ArrayList<SqlColumn>();
    var shapes = new ArrayList<Optional<ColumnShape>>();
    for (int i = 0; i < fields.length; i++) {
      var type = types.get(i);
      var column = requireNonNull(said.get(type));
      columns.add(new SqlColumn(fields[i].getColumnLabel(), type.oid, type.modifier, column.name));
      shapes.add(column.shape);
    }
    return new Described(columns, shapes);
  }

  private Map<Type, Known> ask(Connection connection, List<Type> types) throws SQLException {
    var asked = types.stream().distinct().toList();
    var names = new ArrayList<String>();
    var madeOfOthers = new HashSet<Long>();
    boolean usual = true;
    try (var statement = connection.prepareStatement(NAMES)) {
      statement.setString(1, array(asked, Type::oid));
      statement.setString(2, array(asked, Type::modifier));
      try (var row = statement.executeQuery()) {
        for (var type : asked) {
          row.next();
          names.add(row.getString(1));
          usual = row.getBoolean(2);
          if (row.getBoolean(3)) {
            madeOfOthers.add(type.oid);
          }
        }
      }
    }
    var shapes = FindShapes.of(connection, madeOfOthers);
    var said = new HashMap<Type, Known>();
    for (int i = 0; i < asked.size(); i++) {
      var type = asked.get(i);
      var column = new Known(names.get(i), shapes.of(type.oid));
      said.put(type, column);
      if (usual && type.oid < FIRST_NORMAL_OID && known.size() < MOST_REMEMBERED) {
        known.put(type, column);
      }
    }
    return said;
  }

  private static String array(List<Type> types, Function<Type, ? extends Number> number) {
    return types.stream()
        .map(type -> number.apply(type).toString())
        .collect(Collectors.joining(",", "{", "}"));
  }
}
