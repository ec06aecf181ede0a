"""Column lineage of a frame, derived from Spark's analyzed plan."""

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ecommerce_assets.lakehouse.catalog import set_properties
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.jvm import Java, analyzed_plan, each
from ecommerce_assets.lakehouse.names import identifier_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Lineage = dict[str, list[tuple[str, str]]]

PROPERTY = "ecommerce.lineage"
COMPUTING = ("Project", "Aggregate", "Window")
_BETWEEN = "\x01"
_ATTRIBUTE = re.compile(r"(?s)(.*)#(\d+)L?")


def lineage_of_code(history: History, version: str, find: Callable[[], Lineage]) -> Lineage:
    """The result of `find`, cached in a table property by code version."""
    known = known_lineage(history, version)
    if known is not None:
        return known
    found = find()
    text = json.dumps({"version": version, "lineage": found})
    set_properties(history.table, {PROPERTY: text})
    return found


def known_lineage(table: History, version: str) -> Lineage | None:
    """The lineage cached for this code version, if any."""
    kept = json.loads(table.properties.get(PROPERTY, "{}"))
    if kept.get("version") != version:
        return None
    return {name: [(a, b) for a, b in pairs] for name, pairs in kept["lineage"].items()}


def column_lineage(frame: "DataFrame") -> Lineage:
    """For each column: the (table identifier, column) pairs whose values it is computed from.

    Spark numbers the attributes of a plan; an alias references those its value comes from.
    """
    sources: dict[int, tuple[str, str]] = {}
    computed_from: dict[int, set[int]] = {}
    plan = analyzed_plan(frame)
    for node in _nodes(plan):
        kind = node.nodeName()
        if kind == "DataSourceV2Relation":
            table = identifier_of(node.table().name())
            for name, number in _attributes(node.output()):
                sources[number] = (table, name)
        elif kind == "Union":
            outputs = [_attributes(child.output()) for child in each(node.children())]
            for (_, number), *parts in zip(_attributes(node.output()), *outputs, strict=True):
                computed_from.setdefault(number, set()).update(part for _, part in parts)
        elif kind == "Generate":
            taken = {number for _, number in _attributes(node.generator().references().toSeq())}
            for _, number in _attributes(node.generatorOutput()):
                computed_from.setdefault(number, set()).update(taken)
        elif kind in COMPUTING:
            expressions = node.expressions()
            for position, text in enumerate(expressions.mkString(_BETWEEN).split(_BETWEEN)):
                if " AS " in text and (named := _ATTRIBUTE.fullmatch(text)):
                    taken_from = expressions.apply(position).references().toSeq()
                    computed_from.setdefault(int(named[2]), set()).update(
                        number for _, number in _attributes(taken_from)
                    )
    return {
        name: sorted(_origins(number, sources, computed_from, set()))
        for name, number in _attributes(plan.output())
    }


def _origins(
    column: int,
    sources: dict[int, tuple[str, str]],
    computed_from: dict[int, set[int]],
    seen: set[int],
) -> set[tuple[str, str]]:
    if column in seen:
        return set()
    seen.add(column)
    if column in sources:
        return {sources[column]}
    origins: set[tuple[str, str]] = set()
    for reference in computed_from.get(column, ()):
        origins |= _origins(reference, sources, computed_from, seen)
    return origins


def _attributes(sequence: Java) -> list[tuple[str, int]]:
    """Names and numbers of a Scala sequence of attributes, printed as `name#number`."""
    texts = sequence.mkString(_BETWEEN).split(_BETWEEN)
    found = [_ATTRIBUTE.fullmatch(text) for text in texts]
    return [(attribute[1], int(attribute[2])) for attribute in found if attribute]


def _nodes(plan: Java) -> Iterator[Java]:
    yield plan
    for child in each(plan.children()):
        yield from _nodes(child)
