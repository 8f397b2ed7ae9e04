"""Statements that SQLAlchemy compiles once for all forges of a test run.

It remembers what it compiled by engine, and every test opens an engine of its own: compiling was a
quarter of what forges did in tests. Here engines for the same kind of database remember together.
Nothing else of them is shared: what was compiled says how to write a statement, not where to send it.
"""

from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

COMPILED = LRUCache(5000)

# Part of the key under which a statement is remembered, here and in the mappers' own memories.
for dialect in (PGDialect_psycopg, SQLiteDialect_pysqlite):
    dialect.__eq__ = lambda one, other: type(one) is type(other)
    dialect.__hash__ = lambda one: hash(type(one))


@event.listens_for(Engine, "engine_connect")
def _remember_together(connection: Connection) -> None:
    connection.execution_options(compiled_cache=COMPILED)
