"""Rows that only the hospital's old servers hold are brought to where the clinicians work now.

Every table with a primary key is compared, parents before children. A row the new primary lacks is
inserted. A row it has otherwise, or can't take, goes to ``fallback.salvage_conflict`` with what
stands in its place: a person decides, nothing is thrown away (D-05). Rows deleted on the old server
stay. Each table is one transaction and may be done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import sql

from architecture.values import Strict

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

SCHEMA = "fallback"

_PREPARE = """
CREATE SCHEMA IF NOT EXISTS fallback;
CREATE TABLE IF NOT EXISTS fallback.salvage_conflict (
    epoch integer NOT NULL,
    site text NOT NULL,
    table_name text NOT NULL,
    found jsonb NOT NULL,
    kept jsonb,
    reason text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX IF NOT EXISTS salvage_conflict_once
    ON fallback.salvage_conflict (epoch, site, table_name, md5(found::text));
"""
_TABLES = """
SELECT c.oid::int, n.nspname, c.relname,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)),
       (SELECT coalesce(array_agg(f.confrelid::int), '{}') FROM pg_constraint f
         WHERE f.conrelid = c.oid AND f.contype = 'f')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'fallback')
ORDER BY n.nspname, c.relname
"""


@dataclass(frozen=True)
class Table:
    """A table as far as its rows can be carried."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    parents: tuple[int, ...]

    @property
    def title(self) -> str:
        """Its name in reports; the schema only where it is not the usual one."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"


class TableReport(Strict):
    """What became of one table's candidates: rows the old server wrote since the mark."""

    candidates: int
    inserted: int
    conflicts: int


def salvage(
    source: Connection, target: Connection, *, epoch: int, site: str, since_xid: int | None
) -> dict[str, TableReport]:
    """Carry over what ``target`` lacks; returns a report by table that had candidates.

    Args:
        source: The old server, read only.
        target: The present primary, as superuser, in autocommit mode.
        epoch: Number of the decision that ended the old server's lead.
        site: Where the old server stands.
        since_xid: Oldest transaction the target may not know (32 bits); rows written before it are
            not looked at. None: every row is compared.

    Raises:
        psycopg.Error: when one of the servers fails; what was carried stays carried.
    """
    with target.transaction():
        target.execute("SELECT pg_advisory_xact_lock(hashtext('fallback.salvage'))")
        target.execute(_PREPARE)
    reports = {}
    for table in in_dependency_order(_tables(source)):
        with target.transaction():
            report = _carry(table, source, target, epoch, site, since_xid)
        if report.candidates:
            reports[table.title] = report
    return reports


def in_dependency_order(tables: Sequence[Table]) -> list[Table]:
    """Parents before their children; tables in a circle keep the order they came in."""
    ordered: list[Table] = []
    left = list(tables)
    while left:
        waiting = {table.oid for table in left}
        free = [t for t in left if not waiting & (set(t.parents) - {t.oid})] or left[:1]
        ordered += free
        left = [table for table in left if table not in free]
    return ordered


def _tables(source: Connection) -> list[Table]:
    return [
        Table(oid, schema, name, tuple(columns), tuple(key), tuple(parents))
        for oid, schema, name, columns, key, parents in source.execute(_TABLES).fetchall()
    ]


def _carry(  # noqa: PLR0917
    table: Table, source: Connection, target: Connection, epoch: int, site: str,
    since_xid: int | None,
) -> TableReport:  # fmt: skip
    words = _words(table)
    target.execute(
        sql.SQL("CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM {table} "
                "WITH NO DATA").format(**words)
    )  # fmt: skip
    written_since = (
        sql.SQL("TRUE")
        if since_xid is None
        else sql.SQL("age(xmin) <= age({}::text::xid)").format(sql.Literal(str(since_xid)))
    )
    reading = sql.SQL("COPY (SELECT {columns} FROM {table} WHERE {since}) TO STDOUT").format(
        **words, since=written_since
    )
    with (
        source.cursor().copy(reading) as outgoing,
        target.cursor().copy(
            sql.SQL("COPY incoming ({columns}) FROM STDIN").format(**words)
        ) as arriving,
    ):
        for block in outgoing:
            arriving.write(block)
    candidates = _count(target, "SELECT count(*) FROM incoming")
    if not candidates:
        return TableReport(candidates=0, inserted=0, conflicts=0)
    inserted = _insert(target, words, table, epoch, site)
    conflicts = target.execute(_conflict_query(words), (epoch, site, table.title)).rowcount
    return TableReport(candidates=candidates, inserted=inserted, conflicts=conflicts)


def _insert(
    target: Connection, words: Mapping[str, sql.Composable], table: Table, epoch: int, site: str
) -> int:
    """Insert in one go; where a row can't be taken, row by row, noting those."""
    whole = sql.SQL(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE "
        "SELECT {columns} FROM incoming ON CONFLICT DO NOTHING"
    ).format(**words)
    try:
        with target.transaction():
            return target.execute(whole).rowcount
    except (psycopg.IntegrityError, psycopg.DataError):
        pass
    inserted = 0
    places = target.execute("SELECT ctid::text FROM incoming").fetchall()
    one = sql.SQL(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE "
        "SELECT {columns} FROM incoming WHERE ctid = %s::tid ON CONFLICT DO NOTHING"
    ).format(**words)
    for (place,) in places:
        try:
            with target.transaction():
                inserted += target.execute(one, (place,)).rowcount
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            target.execute(
                "INSERT INTO fallback.salvage_conflict (epoch, site, table_name, found, reason) "
                "SELECT %s, %s, %s, to_jsonb(incoming), %s FROM incoming WHERE ctid = %s::tid "
                "ON CONFLICT DO NOTHING",
                (epoch, site, table.title, str(error).strip(), place),
            )
    return inserted


def _conflict_query(words: Mapping[str, sql.Composable]) -> sql.Composed:
    """Note candidates that are not in the table as they came."""
    return sql.SQL(
        "INSERT INTO fallback.salvage_conflict (epoch, site, table_name, found, kept, reason) "
        "SELECT %s, %s, %s, to_jsonb(i), to_jsonb(t), "
        "CASE WHEN {no_row} THEN 'another row has a key of this one' "
        "ELSE 'the row is different here' END "
        "FROM incoming i LEFT JOIN {table} t ON {same_key} "
        "WHERE {no_row} OR ({i_columns}) IS DISTINCT FROM ({t_columns}) "
        "ON CONFLICT DO NOTHING"
    ).format(**words)


def _words(table: Table) -> dict[str, sql.Composable]:
    def listed(prefix: str = "") -> sql.Composed:
        names = [(prefix, column) if prefix else (column,) for column in table.columns]
        return sql.SQL(", ").join(sql.Identifier(*name) for name in names)

    same = (sql.SQL("i.{0} = t.{0}").format(sql.Identifier(column)) for column in table.key)
    return {
        "table": sql.Identifier(table.schema, table.name),
        "columns": listed(),
        "i_columns": listed("i"),
        "t_columns": listed("t"),
        "no_row": sql.SQL("t.{} IS NULL").format(sql.Identifier(table.key[0])),
        "same_key": sql.SQL(" AND ").join(same),
    }


def _count(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    return 0 if row is None else int(row[0])
