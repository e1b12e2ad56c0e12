package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;

/// A column of the rows that SQL in the background returned.
///
/// @param name its name
/// @param typeOid the oid of its type
/// @param typmod its type's modifier, -1 for none
/// @param type its type as SQL names it, with its modifier
public record SqlColumn(
    @JsonProperty("name") String name,
    @JsonProperty("type_oid") long typeOid,
    @JsonProperty("typmod") int typmod,
    @JsonProperty("type") String type) {
  public SqlColumn {
    Require.that(name != null, "a column has no name");
    Require.that(Require.isOid(typeOid), "the type_oid of a column is no oid");
    Require.that(type != null && !type.isEmpty(), "a column has no type");
  }
}
