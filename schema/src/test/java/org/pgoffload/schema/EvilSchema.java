package org.pgoffload.schema;

/// A schema `evil` that a user puts first in the path. It has functions, operators and types of the
/// bare names that functions without a pinned path might use; each test adds its own.
final class EvilSchema {
  private EvilSchema() {}

  /// The SQL that makes it.
  ///
  /// @param victim the role that the schema would pass its owner off as
  static String of(String victim) {
    return """
    create schema evil;
    create function evil.quote_ident(text) returns text language sql as $$select '%s'$$;
    create function evil.quote_ident(name) returns text language sql as $$select '%s'$$;
    create function evil.current_setting(text) returns text language sql as $$select 'evil'$$;
    create function evil.current_setting(text, boolean) returns text language sql as $$select 'evil'$$;
    create function evil.clock_timestamp() returns timestamptz language sql as $$select timestamptz '2000-01-01'$$;
    create function evil.cat(text, text) returns text language sql as $$select 'evil'$$;
    create operator evil.|| (leftarg = text, rightarg = text, function = evil.cat);
    create domain evil.text as pg_catalog.int4;
    create domain evil.jsonb as pg_catalog.int4;
    """
        .formatted(victim, victim);
  }
}
