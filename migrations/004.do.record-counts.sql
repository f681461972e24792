-- Few different values, so it stays small (7 MB for a million rows): counting per group reads it and not the table.
create index if not exists idx_records_counts on records (status, type, category);
