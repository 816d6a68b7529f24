"""The store on PostgreSQL: any number of hosts on one database."""

from outlast.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
