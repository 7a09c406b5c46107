"""A ledger in Postgres that is filled with very many versions, by its server alone."""

from __future__ import annotations

import psycopg
from psycopg import sql

from dev.benchmarks.servers import libpq_url
from flowstone import SqlLedger
from flowstone.io import encode

__all__ = ["APP", "fill"]

APP = "size"
"""The name of the app whose ledger it is; its assets are `asset_00000` and so on."""

_TABLES = ("runs", "versions", "pointers", "input_members", "attempts", "run_nodes")

_VALUES = """
CREATE TABLE flowstone_values (
    location text PRIMARY KEY, codec text NOT NULL, data bytea NOT NULL,
    digest text NOT NULL, facts json NOT NULL
)"""

# Cell (k, n) is asset n at key k, made by run k; its id says so.
_CELLS = """
CREATE TEMPORARY TABLE cells AS SELECT
    k, n, 'run-' || lpad(k::text, 8, '0') AS run,
    {app} || '/asset_' || lpad(n::text, 5, '0') AS asset, k::text AS key,
    lpad(k::text, 8, '0') || '-0000-7000-8000-' || lpad(n::text, 12, '0') AS id,
    md5(k || '/' || n) || md5('inputs') AS inputs,
    'postgres:flowstone_values/' || {app} || '/' || k || '/' || n AS location,
    now() - make_interval(secs => ({keys} - k) + 0.001 * ({assets} - n)) AS at
FROM generate_series(1, {keys}) AS k, generate_series(0, {assets} - 1) AS n
ORDER BY k, n
"""
_ROWS = (
    """
    INSERT INTO flowstone_runs (
        id, pipeline, workflow, verb, asset, key, keys, request, request_hash, actor,
        owner, status, reason, created_at, started_at, ended_at)
    SELECT run, {app}, 'flowstone/' || asset || '@' || key, 'materialize_all',
        {last}, key, '["' || key || '"]', '{{"run":"' || run || '","verb":'
        '"materialize_all","pipeline":"' || {app} || '","asset":"' || {last} || '"}}',
        md5(run), 'fill', '', 'succeeded', '', at, at, at
    FROM cells WHERE n = {assets} - 1
    """,
    """
    INSERT INTO flowstone_runs (
        id, pipeline, workflow, verb, asset, key, keys, request, request_hash, actor,
        owner, status, reason, created_at, started_at, ended_at)
    SELECT 'old-' || r, {app}, 'flowstone/' || {app} || '/asset_00000@' || r,
        'materialize', 'asset_00000', r::text, '["' || r || '"]', '{{"run":"old-' || r
        || '","verb":"materialize","pipeline":"' || {app}
        || '","asset":"asset_00000"}}', md5(r::text), 'fill', '', 'failed', '',
        at, at, at
    FROM (SELECT r, now() - make_interval(secs => 10 * {keys} + {runs} - r) AS at
        FROM generate_series(1, {runs}) AS r) AS old
    """,
    """
    INSERT INTO flowstone_versions (
        id, run, node, key_number, item, asset, key, data_version, code, inputs, io,
        location, size, digest, facts, metadata, millis, created_at)
    SELECT id, run, n, 0, -1, asset, key, {digest}, md5(asset), inputs, 'default',
        location, 1, {digest}, '{{}}', '{{}}', 1, at
    FROM cells
    """,
    """
    INSERT INTO flowstone_pointers (asset, key, version, fence, moved_at)
    SELECT asset, key, id, 1, at FROM cells
    """,
    """
    INSERT INTO flowstone_input_members (inputs, place, parameter, version)
    SELECT inputs, step - 1, 'before_' || step,
        lpad(k::text, 8, '0') || '-0000-7000-8000-' || lpad((n - step)::text, 12, '0')
    FROM cells, generate_series(1, {reads}) AS step WHERE n >= step
    """,
    """
    INSERT INTO flowstone_attempts (
        id, run, node, key_number, item, asset, key, workflow, dispatch, attempt,
        number, fence, io, path, alone, state, started_at, ended_at)
    SELECT id, run, n, 0, -1, asset, key, 'flowstone/' || asset || '@' || key, 1, 1, 1,
        1, 'default', location, false, 'committed', at, at
    FROM cells
    """,
    """
    INSERT INTO flowstone_run_nodes (run, key_number, node, state, version, reason)
    SELECT run, 0, n, 6, id, '' FROM cells
    """,
    """
    INSERT INTO flowstone_values (location, codec, data, digest, facts)
    SELECT location, 'json', '7', {digest}, '{{}}' FROM cells
    """,
)


def fill(url: str, *, keys: int, assets: int, reads: int, runs: int) -> None:
    """Write what runs of a ladder of assets would have written, each at a key.

    Args:
        url: of an empty database.
        keys: how many keys each asset was made at.
        assets: how many assets there are.
        reads: how many of those before it an asset reads.
        runs: how many older runs there were beside, of the first asset alone.
    """
    ledger = SqlLedger(url)
    try:
        ledger.upgrade()
    finally:
        ledger.close()
    literals = {
        "app": sql.Literal(APP),
        "keys": sql.Literal(keys),
        "assets": sql.Literal(assets),
        "reads": sql.Literal(reads),
        "runs": sql.Literal(runs),
        "digest": sql.Literal(encode(7).digest),
        "last": sql.Literal(f"asset_{assets - 1:05}"),
    }
    with psycopg.connect(libpq_url(url), autocommit=True) as conn:
        conn.execute("SET work_mem = '256MB'")
        conn.execute(_VALUES)
        for name in (*_TABLES, "values"):
            # What is lost in a crash here is made anew.
            table = sql.Identifier(f"flowstone_{name}")
            conn.execute(sql.SQL("ALTER TABLE {} SET UNLOGGED").format(table))
        for statement in (_CELLS, *_ROWS):
            conn.execute(sql.SQL(statement).format(**literals))
        conn.execute("ANALYZE")
