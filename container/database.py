"""Prepares Dagster's database: its user, which signs in by IAM, and the tables of this version.

Runs before the servers of each deployment, with the secret of RDS's own user, which nothing else
sees.
"""

import json
import logging
import os

import dagster as dg
import psycopg2
from psycopg2 import sql

USER = DATABASE = "dagster"
MEMBER_OF = "rds_iam"  # RDS lets its members sign in by IAM, and in no other way


def main() -> None:
    """Create the user if it is not there, and migrate the tables.

    Raises:
        psycopg2.Error: the database can't be reached, or refuses.
        alembic.util.CommandError: the tables are of a newer version than this Dagster.
    """
    secret = json.loads(os.environ["DATABASE_SECRET"])
    connection = psycopg2.connect(
        host=os.environ["DAGSTER_DATABASE_HOST"],
        port=os.environ["DAGSTER_DATABASE_PORT"],
        user=secret["username"],
        password=secret["password"],
        dbname=DATABASE,
        sslmode="verify-full",
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (USER,))
            user = sql.Identifier(USER)
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(user))
                logging.warning("created the user %s", USER)
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(MEMBER_OF), user))
            cursor.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(user))
    finally:
        connection.close()
    with dg.DagsterInstance.get() as instance:
        instance.upgrade(logging.warning)


if __name__ == "__main__":
    main()
