-- Buckets that replicas share (LIMITS_STORE=postgres). A row that is a minute old is full again and may be deleted.
create table rate_limits (
  bucket text primary key,
  tokens double precision not null,
  granted double precision not null,
  refilled_at timestamptz not null
);
