"""Concurrent work in dependency order."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


class Skipped(Exception):
    """A node was skipped because a node that it needs failed."""


def in_order(
    needs: Mapping[Node, set[Node]], work: Callable[[Node], None], threads: int, name: str
) -> dict[Node, Exception]:
    """Process each node as soon as those that it needs are done; returns the exceptions by node.

    A failed node does not stop nodes that don't need it; those that do are `Skipped`.

    Args:
        needs: by node, the nodes to process first; nodes start in this order where they can.
        threads: how many nodes at a time.
        name: prefix of the threads' names.

    Raises:
        graphlib.CycleError: nodes depend on each other.
    """
    order = TopologicalSorter(needs)
    order.prepare()
    failed: dict[Node, Exception] = {}
    running: dict[Future[None], Node] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        while order.is_active():
            for node in order.get_ready():
                if any(need in failed for need in needs[node]):
                    failed[node] = Skipped()
                    order.done(node)
                else:
                    running[pool.submit(work, node)] = node
            if not running:
                continue
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                node = running.pop(future)
                error = future.exception()
                if isinstance(error, Exception):
                    failed[node] = error
                elif error is not None:
                    raise error
                order.done(node)
    return failed
