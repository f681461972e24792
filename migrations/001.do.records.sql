-- Substring search needs trigrams: a text-search vector finds words only.
create extension if not exists pg_trgm;

create table if not exists records (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  description text,
  status text not null default 'active',
  type text,
  category text,
  metadata jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index if not exists idx_records_name_trgm on records using gin (name gin_trgm_ops);
create index if not exists idx_records_description_trgm on records using gin (description gin_trgm_ops);
-- Newest first with a tie-break, so that pages never overlap.
create index if not exists idx_records_created on records (created_at desc, id desc);
create index if not exists idx_records_status on records (status, created_at desc, id desc);
create index if not exists idx_records_type on records (type, created_at desc, id desc);
create index if not exists idx_records_category on records (category, created_at desc, id desc);

create or replace function set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create or replace trigger records_updated_at
  before update on records
  for each row execute function set_updated_at();
