-- What a worker says of itself with each renewal of its lease: see pgoffload.renew_lease.
alter table pgoffload.worker add column doing jsonb not null default '{}';
comment on column pgoffload.worker.doing is 'What the worker has to do and has done since its start, as it says itself.';
