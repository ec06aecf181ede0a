"""Column lineage of a frame, read off Spark's analyzed plan: no author has to declare it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ecommerce_assets.lakehouse.session import CATALOG

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Lineage = dict[str, list[tuple[str, str]]]


def column_lineage(frame: "DataFrame") -> Lineage:
    """For each column: the (table identifier, column) pairs whose values it is computed from."""
    sources: dict[int, tuple[str, str]] = {}
    made_from: dict[int, set[int]] = {}
    plan = frame._jdf.queryExecution().analyzed()
    for node in _nodes(plan):
        kind = node.nodeName()
        if node.children().isEmpty():
            name = _table_name(node)
            for attribute in _each(node.output()) if name else ():
                sources[_id(attribute)] = (name, attribute.name())
        elif kind == "Union":
            outputs = [list(_each(child.output())) for child in _each(node.children())]
            for column, *parts in zip(_each(node.output()), *outputs, strict=True):
                made_from.setdefault(_id(column), set()).update(map(_id, parts))
        elif kind == "Generate":
            references = {_id(a) for a in _each(node.generator().references().toSeq())}
            for attribute in _each(node.generatorOutput()):
                made_from.setdefault(_id(attribute), set()).update(references)
        for expression in _each(node.expressions()):
            if expression.nodeName() == "Alias":
                references = {_id(a) for a in _each(expression.references().toSeq())}
                made_from.setdefault(_id(expression), set()).update(references)
    return {
        attribute.name(): sorted(_origins(_id(attribute), sources, made_from, set()))
        for attribute in _each(plan.output())
    }


def _origins(
    column: int,
    sources: dict[int, tuple[str, str]],
    made_from: dict[int, set[int]],
    seen: set[int],
) -> set[tuple[str, str]]:
    if column in seen:
        return set()
    seen.add(column)
    if column in sources:
        return {sources[column]}
    origins: set[tuple[str, str]] = set()
    for reference in made_from.get(column, ()):
        origins |= _origins(reference, sources, made_from, seen)
    return origins


def _table_name(leaf: Any) -> str | None:
    if leaf.nodeName() != "RelationV2" and "Relation" not in leaf.nodeName():
        return None
    try:
        name = leaf.table().name()
    except Exception:  # a relation of files or of driver rows has no table
        return None
    return str(name).removeprefix(f"{CATALOG}.")


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in _each(plan.children()):
        yield from _nodes(child)


def _each(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _id(attribute: Any) -> int:
    return int(attribute.exprId().id())
