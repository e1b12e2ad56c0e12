-- What ranks documents, as each worker tells when it registers. Not columns of pgoffload.worker, which no installation of
-- a newer version can lock beside the tables of requests while workers claim.
create table pgoffload.reranker (
  worker text not null,
  epoch bigint not null,
  model text not null,             -- for requests that name none
  documents integer not null,      -- in one request
  constraint reranker_pkey primary key (worker, epoch),
  constraint reranker_takes_documents check (documents > 0)
);
comment on table pgoffload.reranker is 'The rerankers of the leases whose workers have one.';
