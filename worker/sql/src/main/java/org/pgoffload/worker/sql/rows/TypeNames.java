package org.pgoffload.worker.sql.rows;

/// Names types in SQL so that every session finds them, whatever its `search_path`: with their
/// schema, or with the words of the SQL standard, which are the server's own.
final class TypeNames {
  /// As a regular expression of both PostgreSQL and Java.
  static final String WORDS_OF_SQL =
      "(bit|boolean|character|real|double precision|smallint|integer|bigint|numeric|interval|time|timestamp)";

  private TypeNames() {}

  /// An expression, null where there is no such type. It uses nothing that the search_path would
  /// have to find.
  ///
  /// @param type an expression for the type's oid
  /// @param modifier an expression for its modifier, or `null`
  static String of(String type, String modifier) {
    return """
    (select case
        when n.nspname operator(pg_catalog.=) 'pg_catalog' then case
          when f.name operator(pg_catalog.~) '^(pg_catalog[.]|%3$s([^[:alnum:]_]|$))' then f.name
          else pg_catalog.concat('pg_catalog.', f.name) end
        when pg_catalog.pg_type_is_visible(e.oid)
          then pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', f.name)
        else f.name end
      from pg_catalog.pg_type t
      join pg_catalog.pg_type e on e.oid operator(pg_catalog.=) case
        when exists (
            select from pg_catalog.pg_type x
            where x.oid operator(pg_catalog.=) t.typelem and x.typarray operator(pg_catalog.=) t.oid)
          then t.typelem else t.oid end
      join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) e.typnamespace,
      lateral (select pg_catalog.format_type(t.oid, %2$s)) f (name)
      where t.oid operator(pg_catalog.=) %1$s)\
    """
        .formatted(type, modifier, WORDS_OF_SQL);
  }
}
