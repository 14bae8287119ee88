"""The tables and the views for people as one text, so that a change of them shows in a diff.

The columns of these views are a promise: they stay what they are, and new ones come at the end.

To refresh it: FALCONERI_REFRESH_SNAPSHOT=1 ./run test tests/sql/test_schema.py
"""

import os
from pathlib import Path

import psycopg

SNAPSHOT = Path(__file__).with_name("schema.snapshot")
REFRESH = "FALCONERI_REFRESH_SNAPSHOT"

_LINES = """
with ours as (
  select c.* from pg_class c
  where c.relnamespace = 'falconeri'::regnamespace and c.relname !~ '^_?yoyo'
),
views as (
  select c.oid, format('%s.%s', c.relnamespace::regnamespace, c.relname) as name
  from pg_class c
  where c.relkind = 'v' and c.relnamespace in ('report'::regnamespace, 'compat'::regnamespace)
),
lines (kind, owner, place, line) as (
  select 1, t.typname, 0,
    format('enum %s: %s', t.typname, string_agg(e.enumlabel, ', ' order by e.enumsortorder))
  from pg_type t join pg_enum e on e.enumtypid = t.oid
  where t.typnamespace = 'falconeri'::regnamespace
  group by t.typname
  union all
  select case c.relkind when 'c' then 2 else 3 end, c.relname, 0, format(
    '%s%s %s%s', case c.relpersistence when 'u' then 'unlogged ' else '' end,
    case c.relkind when 'c' then 'type' else 'table' end, c.relname,
    coalesce(' with ' || array_to_string(c.reloptions, ', '), '')
  )
  from ours c where c.relkind in ('r', 'c')
  union all
  select case c.relkind when 'c' then 2 else 3 end, c.relname, a.attnum, format(
    '  %s %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' else '' end,
    case a.attidentity when 'a' then ' identity' else '' end,
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
  )
  from ours c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relkind in ('r', 'c')
  union all
  -- From version 18 on PostgreSQL counts each `not null` as a constraint, too.
  select 3, c.relname, 10000,
    format('  constraint %s %s', k.conname, pg_get_constraintdef(k.oid, true))
  from ours c join pg_constraint k on k.conrelid = c.oid where k.contype <> 'n'
  union all
  select 3, c.relname, 20000, '  ' || replace(pg_get_indexdef(i.indexrelid), 'INDEX', 'index')
  from ours c join pg_index i on i.indrelid = c.oid
  where not exists (
    select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u')
  )
  union all
  select 4, v.name, 0, 'view ' || v.name from views v
  union all
  select 4, v.name, a.attnum, format('  %s %s', a.attname, format_type(a.atttypid, a.atttypmod))
  from views v join pg_attribute a on a.attrelid = v.oid and a.attnum > 0
)
select line from lines order by kind, owner collate "C", place, line collate "C"
"""


def test_schema_is_that_of_the_snapshot(conn: psycopg.Connection) -> None:
    found = "".join(f"{row[0]}\n" for row in conn.execute(_LINES))
    if os.environ.get(REFRESH):
        SNAPSHOT.write_text(found)

    assert found == SNAPSHOT.read_text(), f"meant? {REFRESH}=1 ./run test {__file__}"
