"""The JSON schema of shop files, for editors."""

from typing import Any

from ecommerce_assets.shop.model import ShopFile, Value
from ecommerce_assets.tables import contracted_tables


def schema() -> dict[str, Any]:
    """JSON schema (2020-12) with the columns of each table by name."""
    found = ShopFile.model_json_schema(by_alias=True)
    definitions = found["$defs"]
    definitions["Value"] = Value.model_json_schema()
    # A header or a list of headers stands for itself.
    short = [
        {"type": "string", "description": "A header of the source."},
        {"type": "array", "items": {"type": "string"}, "description": "Several headers."},
    ]
    table = definitions.pop("TableFile")
    tables = {}
    for silver in contracted_tables():
        columns = {
            name: {
                "description": column.description,
                "anyOf": [*short, {"$ref": "#/$defs/Value"}],
            }
            for name, column in silver.columns.items()
            if not name.startswith("_")
        }
        properties = {**table["properties"], **columns}
        source = properties["from"]
        properties["from"] = {
            "description": source["description"],
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
        one = {**table, "properties": properties, "additionalProperties": False}
        definitions[silver.name] = one
        known = {"$ref": f"#/$defs/{silver.name}"}
        tables[silver.name] = {"anyOf": [known, {"type": "array", "items": known, "minItems": 1}]}
    found["properties"]["tables"] = {
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
        "required": ["orders", "order_items"],
    }
    for part in definitions.values():
        for name, given in part.get("properties", {}).items():
            if name in ("required", "optional"):
                given.clear()
                given["anyOf"] = [
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "object", "additionalProperties": {"type": "string"}},
                ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
