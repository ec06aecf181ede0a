"""Names of tables in the catalog.

In the Data Catalog, an environment's databases have its name as a prefix, like `dev_gold`. Each
local lakehouse has a catalog of its own, whose namespaces are the layers.
"""

CATALOG = "lakehouse"

_prefixes = {"catalog": ""}


def use_environment(environment: str) -> None:
    """Set the environment whose databases this process's Spark sessions read and write."""
    _prefixes["catalog"] = _prefix(environment)


def qualified(identifier: str) -> str:
    """The table's or namespace's name in Spark SQL, with the catalog."""
    return f"{CATALOG}.{_prefixes['catalog']}{identifier}"


def in_environment(identifier: str, environment: str) -> str:
    """The table's name in an environment's Data Catalog."""
    return f"{_prefix(environment)}{identifier}"


def _prefix(environment: str) -> str:
    return f"{environment}_" if environment else ""
