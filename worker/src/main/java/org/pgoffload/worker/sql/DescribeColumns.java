package org.pgoffload.worker.sql;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.pgoffload.protocol.SqlColumn;
import org.postgresql.core.Field;

/// Names the types of a task's columns as SQL does. Those of the server's own are remembered: they
/// never change.
///
/// Safe to share between threads.
final class DescribeColumns {
  /// The first oid that is not the server's own.
  private static final long FIRST_NORMAL_OID = 16_384;

  /// Modifiers make them many.
  private static final int MOST_REMEMBERED = 10_000;

  private final Map<Type, String> known = new ConcurrentHashMap<>();

  private record Type(long oid, int modifier) {
    static Type of(Field field) {
      // the driver has an unsigned number in an int
      return new Type(Integer.toUnsignedLong(field.getOID()), field.getMod());
    }
  }

  /// @param connection of the task, inside its transaction: a type may be of its own making
  List<SqlColumn> describe(Connection connection, Field[] fields) throws SQLException {
    var types = new ArrayList<Type>();
    for (var field : fields) {
      types.add(Type.of(field));
    }
    var names = names(connection, types);
    var columns = new ArrayList<SqlColumn>();
    for (int i = 0; i < fields.length; i++) {
      var type = types.get(i);
      columns.add(new SqlColumn(fields[i].getColumnLabel(), type.oid, type.modifier, names.get(i)));
    }
    return columns;
  }

  private List<String> names(Connection connection, List<Type> types) throws SQLException {
    var names = new ArrayList<String>();
    for (var type : types) {
      var name = known.get(type);
      if (name == null) {
        return ask(connection, types);
      }
      names.add(name);
    }
    return names;
  }

  private List<String> ask(Connection connection, List<Type> types) throws SQLException {
    var names = new ArrayList<String>();
    try (var statement =
        connection.prepareStatement(
            """
            select coalesce(pg_catalog.format_type(t.type, t.modifier), 'unknown')
            from rows from (
              pg_catalog.unnest(?::pg_catalog.oid[]),
              pg_catalog.unnest(?::pg_catalog.int4[])) with ordinality as t(type, modifier, number)
            order by t.number
            """)) {
      statement.setString(1, array(types, Type::oid));
      statement.setString(2, array(types, Type::modifier));
      try (var row = statement.executeQuery()) {
        for (var type : types) {
          row.next();
          names.add(row.getString(1));
          if (type.oid < FIRST_NORMAL_OID && known.size() < MOST_REMEMBERED) {
            known.put(type, row.getString(1));
          }
        }
      }
    }
    return names;
  }

  private static String array(List<Type> types, Function<Type, ? extends Number> number) {
    return types.stream()
        .map(type -> number.apply(type).toString())
        .collect(Collectors.joining(",", "{", "}"));
  }
}
