-- What tools may do with the tables: portcullis_reader reads them, portcullis_writer changes what a shipped tool changes
-- and keeps the buckets of LIMITS_STORE=postgres. The role that the server logs in with is a member of both.
-- Roles belong to the whole cluster: another database may have made them, or be making them right now. Without the right
-- to make roles nothing is granted; `portcullis migrate` calls this again, and it grants once for each database.
create or replace procedure portcullis_grants() language plpgsql as $$
declare
  role_name text;
  relation regclass;
begin
  foreach role_name in array array['portcullis_reader', 'portcullis_writer'] loop
    if to_regrole(role_name) is null then
      begin
        execute format('create role %I nologin', role_name);
      exception
        when duplicate_object or unique_violation then null;
        when insufficient_privilege then
          raise warning 'role % may not make roles; before the server gets a role of its own, an administrator runs: create role portcullis_reader nologin; create role portcullis_writer nologin', quote_ident(current_user);
          return;
      end;
    end if;
  end loop;

  -- What somebody took away since is not given back.
  if exists (
    select from pg_default_acl, aclexplode(defaclacl)
    where defaclnamespace = current_schema()::regnamespace and defaclobjtype = 'r' and grantee = to_regrole('portcullis_reader')
  ) then
    return;
  end if;

  if not has_schema_privilege('portcullis_reader', current_schema(), 'usage') then
    execute format('grant usage on schema %I to portcullis_reader, portcullis_writer', current_schema());
  end if;
  for relation in
    select oid from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
      and relowner = (select relowner from pg_class where oid = 'records'::regclass)
  loop
    execute format('grant select on %s to portcullis_reader', relation);
  end loop;
  -- So that a tool can read the table of a later migration, without a grant in it.
  execute format('alter default privileges in schema %I grant select on tables to portcullis_reader', current_schema());

  grant select, update (status) on records to portcullis_writer;
  grant select, insert, update, delete on rate_limits to portcullis_writer;
end
$$;

call portcullis_grants();
