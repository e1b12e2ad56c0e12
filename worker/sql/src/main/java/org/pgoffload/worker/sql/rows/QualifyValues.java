package org.pgoffload.worker.sql.rows;

import static org.pgoffload.worker.sql.rows.ColumnShape.MONEY;
import static org.pgoffload.worker.sql.rows.ColumnShape.REGOPERATOR;
import static org.pgoffload.worker.sql.rows.ColumnShape.REGPROCEDURE;
import static org.pgoffload.worker.sql.rows.ColumnShape.REGTYPE;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseFault;

/// Writes the values of a task so that every session reads them as what they are: names of objects
/// with their schema, or as the object's number where its name is of no use in another session, and
/// money as under `lc_monetary = C`. The task's session is asked, as the one that knows what was
/// meant; none of its settings is touched, for a query that still has rows to give runs under them.
///
/// For one thread and one statement.
public final class QualifyValues {
  /// The form of money under C and in English.
  private static final Pattern PLAIN_MONEY = Pattern.compile("-?\\$[0-9,]+\\.[0-9]{2}");

  /// An object's number, or none.
  private static final Pattern NUMBER = Pattern.compile("-|[0-9]+");

  private static final Pattern WITH_SCHEMA = Pattern.compile("(\"([^\"]|\"\")*\"|[^\".(]+)\\..*");

  /// Types that the SQL standard names; any other type of such a name has quotes around it.
  private static final Pattern WORDS_OF_SQL =
      Pattern.compile(TypeNames.WORDS_OF_SQL + "([^\\w].*)?");

  /// Finds the object by its name, and knows it by its text in this session. Uses nothing that the
  /// search_path would have to find. A temporary object has no name elsewhere. Of several functions
  /// or operators of one name none is written without its schema, and with it stays as it is.
  private static final String RESOLVE =
      """
      select case when v.type operator(pg_catalog.=) 790
          then pg_catalog.encode(pg_catalog.cash_send(v.text::pg_catalog.money), 'hex')
        else (
          select case
              when f.schema operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
                or pg_catalog.pg_is_other_temp_schema(f.schema) then f.oid::pg_catalog.text
              when v.type operator(pg_catalog.=) 2206 then f.name
              else pg_catalog.concat(pg_catalog.quote_ident(s.nspname), '.', f.name) end
          from (
            select c.oid, c.relnamespace, pg_catalog.quote_ident(c.relname)
            from pg_catalog.pg_class c
            where v.type operator(pg_catalog.=) 2205 and c.relname operator(pg_catalog.=) w.name
              and c.oid::pg_catalog.regclass::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select p.oid, p.pronamespace, pg_catalog.quote_ident(p.proname)
            from pg_catalog.pg_proc p
            where v.type operator(pg_catalog.=) 24 and p.proname operator(pg_catalog.=) w.name
              and p.oid::pg_catalog.regproc::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select p.oid, p.pronamespace, pg_catalog.concat(pg_catalog.quote_ident(p.proname), '(', (
              select pg_catalog.string_agg(%1$s, ',' order by a.number)
              from pg_catalog.unnest(p.proargtypes) with ordinality a (type, number)), ')')
            from pg_catalog.pg_proc p
            where v.type operator(pg_catalog.=) 2202 and p.proname operator(pg_catalog.=) w.name
              and p.oid::pg_catalog.regprocedure::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select o.oid, o.oprnamespace, o.oprname::pg_catalog.text
            from pg_catalog.pg_operator o
            where v.type operator(pg_catalog.=) 2203 and o.oprname operator(pg_catalog.=) w.name
              and o.oid::pg_catalog.regoper::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select o.oid, o.oprnamespace, pg_catalog.concat(
              o.oprname, '(', coalesce(%2$s, 'NONE'), ',', coalesce(%3$s, 'NONE'), ')')
            from pg_catalog.pg_operator o
            where v.type operator(pg_catalog.=) 2204 and o.oprname operator(pg_catalog.=) w.name
              and o.oid::pg_catalog.regoperator::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select y.oid, y.typnamespace, %4$s
            from pg_catalog.pg_type b
            join pg_catalog.pg_type y on y.oid operator(pg_catalog.=) b.oid or y.oid operator(pg_catalog.=) b.typarray
            where v.type operator(pg_catalog.=) 2206 and b.typname operator(pg_catalog.=) w.name
              and y.oid::pg_catalog.regtype::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select c.oid, c.cfgnamespace, pg_catalog.quote_ident(c.cfgname)
            from pg_catalog.pg_ts_config c
            where v.type operator(pg_catalog.=) 3734 and c.cfgname operator(pg_catalog.=) w.name
              and c.oid::pg_catalog.regconfig::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select d.oid, d.dictnamespace, pg_catalog.quote_ident(d.dictname)
            from pg_catalog.pg_ts_dict d
            where v.type operator(pg_catalog.=) 3769 and d.dictname operator(pg_catalog.=) w.name
              and d.oid::pg_catalog.regdictionary::pg_catalog.text operator(pg_catalog.=) v.text
            union all
            select c.oid, c.collnamespace, pg_catalog.quote_ident(c.collname)
            from pg_catalog.pg_collation c
            where v.type operator(pg_catalog.=) 4191 and c.collname operator(pg_catalog.=) w.name
              and c.oid::pg_catalog.regcollation::pg_catalog.text operator(pg_catalog.=) v.text
          ) f (oid, schema, name)
          join pg_catalog.pg_namespace s on s.oid operator(pg_catalog.=) f.schema
          limit 1) end
      from rows from (
        pg_catalog.unnest(?::pg_catalog.oid[]),
        pg_catalog.unnest(?::pg_catalog.text[])) with ordinality as v(type, text, number),
      lateral (
        select case
          when v.type operator(pg_catalog.=) any (array[2203, 2204]::pg_catalog.oid[])
            then (pg_catalog.regexp_match(v.text, '([-+*/<>=~!@#%%^&|`?]+)([(].*)?$'))[1]
          when v.type operator(pg_catalog.<>) 790
            then (select i.parts[pg_catalog.cardinality(i.parts)] from (select pg_catalog.parse_ident(v.text, false)) i (parts))
          end) w (name)
      order by v.number
      """
          .formatted(
              TypeNames.of("a.type", "null"),
              TypeNames.of("o.oprleft", "null"),
              TypeNames.of("o.oprright", "null"),
              TypeNames.of("y.oid", "null"));

  private final Connection connection;
  private final List<Optional<ColumnShape>> shapes;

  /// @param shapes of the columns, empty for what stays as it is
  public QualifyValues(Connection connection, List<Optional<ColumnShape>> shapes) {
    this.connection = connection;
    this.shapes = shapes;
  }

  private record Written(long type, String text) {}

  /// Rewrites the values of rows in their place.
  ///
  /// @param rows PostgreSQL's own text in UTF-8, null for NULL
  /// @throws SQLException if the session is lost or is to stop; otherwise what it cannot say stays
  ///   as it is
  public void qualify(List<byte[] @Nullable []> rows) throws SQLException {
    var found = new LinkedHashMap<Written, String>();
    rewrite(
        rows,
        (leaf, text) -> {
          if (!isTheSameEverywhere(leaf.type(), text)) {
            found.put(new Written(leaf.type(), text), text);
          }
          return text;
        });
    if (!found.isEmpty()) {
      resolve(found);
      rewrite(rows, (leaf, text) -> found.getOrDefault(new Written(leaf.type(), text), text));
    }
  }

  private void rewrite(List<byte[] @Nullable []> rows, RewriteLeaves.Replacement replacement) {
    for (int column = 0; column < shapes.size(); column++) {
      var shape = shapes.get(column);
      if (shape.isPresent()) {
        for (var row : rows) {
          var value = row[column];
          if (value != null) {
            row[column] =
                RewriteLeaves.rewrite(
                        shape.get(), new String(value, StandardCharsets.UTF_8), replacement)
                    .getBytes(StandardCharsets.UTF_8);
          }
        }
      }
    }
  }

  private static boolean isTheSameEverywhere(long type, String text) {
    if (type == MONEY) {
      return PLAIN_MONEY.matcher(text).matches();
    }
    if (NUMBER.matcher(text).matches()) {
      return true;
    }
    // the types of its arguments may be without their schema
    if (type == REGPROCEDURE || type == REGOPERATOR) {
      return false;
    }
    return WITH_SCHEMA.matcher(text).matches()
        || (type == REGTYPE && WORDS_OF_SQL.matcher(text).matches());
  }

  private void resolve(Map<Written, String> found) throws SQLException {
    // nothing that goes wrong here may end the task
    var savepoint = connection.setSavepoint();
    try (var statement = connection.prepareStatement(RESOLVE)) {
      statement.setArray(
          1, connection.createArrayOf("oid", found.keySet().stream().map(Written::type).toArray()));
      statement.setArray(
          2,
          connection.createArrayOf("text", found.keySet().stream().map(Written::text).toArray()));
      try (var row = statement.executeQuery()) {
        for (var written : found.entrySet()) {
          row.next();
          var text = row.getString(1);
          if (text != null) {
            written.setValue(written.getKey().type() == MONEY ? plainMoney(text) : text);
          }
        }
      }
    } catch (SQLException e) {
      if (DatabaseFault.isOfClass(e, "57", "08") || connection.isClosed()) {
        throw e;
      }
      connection.rollback(savepoint);
      return;
    }
    connection.releaseSavepoint(savepoint);
  }

  /// @param bytes of the number of hundredths, in hexadecimal digits
  private static String plainMoney(String bytes) {
    return BigDecimal.valueOf(ByteBuffer.wrap(HexFormat.of().parseHex(bytes)).getLong(), 2)
        .toPlainString();
  }
}
