#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when it has made an empty database: who owns the tables, and who serves (docs/database.md).
set -euo pipefail
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "$POSTGRES_DB" \
  --set database="$POSTGRES_DB" --set owner_password="$(cat "$SECRETS/OWNER_PASSWORD")" --set server_password="$(cat "$SECRETS/SERVER_PASSWORD")" <<'SQL'
create role portcullis_owner login createrole password :'owner_password';
alter database :"database" owner to portcullis_owner;
set role portcullis_owner;
create role portcullis login password :'server_password';
SQL
