"""Concurrent work in dependency order."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import Any, TypeVar

Node = TypeVar("Node", bound=Hashable)


class _Inline(Executor):
    """Works at once, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Skipped(Exception):
    """A node was skipped because a node that it needs failed."""


def in_order(
    needs: Mapping[Node, set[Node]], work: Callable[[Node], None], threads: int, name: str
) -> dict[Node, Exception]:
    """Process each node as soon as those that it needs are done; returns the exceptions by node.

    A failed node does not stop nodes that don't need it; those that do are `Skipped`.

    Args:
        needs: by node, the nodes to process first; nodes start in this order where they can.
        threads: how many nodes at a time; 1 works in the calling thread.
        name: prefix of the threads' names.

    Raises:
        graphlib.CycleError: nodes depend on each other.
    """
    order = TopologicalSorter(needs)
    order.prepare()
    failed: dict[Node, Exception] = {}
    running: dict[Future[None], Node] = {}
    # A thread costs a connection to the JVM: none is started for one node at a time.
    pool: Executor = (
        ThreadPoolExecutor(threads, thread_name_prefix=name) if threads > 1 else _Inline()
    )
    with pool:
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
