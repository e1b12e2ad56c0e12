-- Stands in for the extension pgvector, which the servers of the tests have not: a type of that name with dimensions, its
-- casts from and to real[], and the cosine distance. Casts count: an embedding is assigned to a vector without a word.
create type vector;
create function vector_in(cstring, oid, integer) returns vector language internal immutable strict as 'array_in';
create function vector_out(vector) returns cstring language internal immutable strict as 'array_out';
create function vector_typmod_in(cstring[]) returns integer language internal immutable strict as 'varchartypmodin';
create function vector_typmod_out(integer) returns cstring language internal immutable strict as 'varchartypmodout';
create type vector (
  input = vector_in,
  output = vector_out,
  typmod_in = vector_typmod_in,
  typmod_out = vector_typmod_out,
  internallength = variable,
  element = real,
  subscript = raw_array_subscript_handler,
  alignment = int4,
  storage = extended);
create cast (real[] as vector) with inout as assignment;
create cast (vector as real[]) with inout as implicit;
create function cosine_distance(a vector, b vector) returns double precision
language sql immutable strict
as $$
  select 1 - sum(x * y) / sqrt(sum(x * x) * sum(y * y)) from unnest(a::real[], b::real[]) as v (x, y)
$$;
create operator <=> (leftarg = vector, rightarg = vector, function = cosine_distance);
