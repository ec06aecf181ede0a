"""The warm worker's process, started with SOCKET CODE OWNER IDLE.

It ends when it was idle for IDLE seconds, when the process OWNER ends, when the package's files no
longer hash to CODE, when a job is stopped, and when it has grown too large.
"""

import fcntl
import gc
import json
import logging
import os
import select
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import psutil

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.reporting import PROGRESS_LOG
from ecommerce_assets.jobs.run import run_layer
from ecommerce_assets.lakehouse import jvm
from ecommerce_assets.tables import all_tables
from ecommerce_assets.warm_worker import address

WATCH_SECONDS = 1
MOST_BYTES = 1 << 30  # of Python, and of the JVM beside its heap


class Worker:
    """Accepts one job at a time."""

    def __init__(self, code: str, owner: int, idle_seconds: float) -> None:
        self._code, self._owner, self._idle_seconds = code, owner, idle_seconds
        self._job: Connection | None = None
        self._idle_since = monotonic()

    def serve(self, listening: socket.socket) -> None:
        """Accept jobs until it is time to end."""
        while not (why := self._why_end()):
            watched = [listening, *([self._job.socket] if self._job else [])]
            ready, _, _ = select.select(watched, [], [], WATCH_SECONDS)
            if self._job and self._job.ending and listening in ready:
                # The run has the last answer, and hands over the next job at once.
                self._job.done.wait(WATCH_SECONDS)
            if self._job and self._job.done.is_set():
                self._job.close()
                self._job, self._idle_since = None, monotonic()
            elif self._job and self._job.socket in ready and not self._job.ending:
                _end_at_once("the job was stopped")  # The run sends nothing but the end.
            if listening in ready:
                self._accept(Connection(listening.accept()[0]))
        _say(why)

    def _why_end(self) -> str:
        """Why it is time to end; empty if it is not."""
        try:
            os.kill(self._owner, 0)
        except OSError:  # No such process, or one of somebody else by now.
            if self._job is not None:
                _end_at_once("its owner has ended")
            return "its owner has ended"
        if self._job is not None:
            return ""
        if monotonic() - self._idle_since > self._idle_seconds:
            return "idle"
        if address.code() != self._code:
            return "the code has changed"
        return "too large" if _too_large() else ""

    def _accept(self, connection: "Connection") -> None:
        request = connection.request()
        if not request or self._job is not None or address.code() != self._code:
            connection.send(accepted=False)
            connection.close()
            return
        connection.send(accepted=True)
        self._job = connection
        Thread(target=_run, args=(connection, request["job"], request["argv"])).start()


class Connection:
    """One run's connection.

    Attributes:
        ending: the last answer is being sent; the run may close the connection.
        done: the last answer was sent.
    """

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.ending = False
        self.done = Event()
        self._lock = Lock()

    def request(self) -> dict[str, Any] | None:
        """What the run asks for; None if it has gone."""
        self.socket.settimeout(WATCH_SECONDS)
        try:
            line = self.socket.makefile("r", encoding="utf-8").readline()
            found: dict[str, Any] = json.loads(line)
        except (OSError, ValueError):
            return None
        self.socket.settimeout(None)
        return found

    def send(self, **answer: Any) -> None:
        """Send an answer, unless the run has gone."""
        with self._lock, suppress(OSError):
            self.socket.sendall(f"{json.dumps(answer)}\n".encode())

    def end(self, *, last: bool, **answer: Any) -> None:
        """Send the last answer; after that, if this was not the `last` job, accept another."""
        self.ending = True
        self.send(**answer)
        if not last:
            self.done.set()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()


class _ToRun(logging.Handler):
    """Sends the job's progress to the run."""

    def __init__(self, send: Callable[..., None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send(log=record.getMessage())


def _run(connection: Connection, layer: str, argv: list[str]) -> None:
    """Run the job and send how it ended."""
    log = logging.getLogger(PROGRESS_LOG)
    log.handlers, log.propagate = [_ToRun(connection.send)], False
    log.setLevel(logging.INFO)
    answer: dict[str, Any] = {"done": True}
    why_end = ""
    try:
        run_layer(layer, argv)
    except PipelineError as error:
        answer = {"failed": str(error)}
    except BaseException:
        answer = {"error": traceback.format_exc()}
        why_end = "an unexpected error, which may have left anything behind"
    if jvm.has_ended():
        why_end = "Spark's JVM has ended"
    connection.end(last=bool(why_end), **answer)
    if why_end:
        _end_at_once(why_end)
    gc.collect()  # Frames in reference cycles keep their rows in the JVM.
    jvm.collect_garbage()


def _too_large() -> bool:
    return max(resident_bytes(), jvm.bytes_beside_heap()) > MOST_BYTES


def resident_bytes() -> int:
    """The memory of this process without the JVM."""
    return int(psutil.Process().memory_info().rss)


def _say(why: str) -> None:
    sys.stderr.write(f"ended: {why}\n")
    sys.stderr.flush()


def _end_at_once(why: str) -> None:
    _say(why)
    Path(sys.argv[1]).unlink(missing_ok=True)
    jvm.kill()
    os._exit(1)


def main(path: str, code: str, owner: str, idle_seconds: str) -> None:
    """Serve until it is time to end."""
    lock = Path(path).with_suffix(".lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # Another run has just started one.
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    Path(path).unlink(missing_ok=True)
    for table in all_tables().values():
        _ = table.code_version  # It is that of the modules just imported, whatever changes later.
    if address.code() != code:
        return  # It may have changed while it was imported.
    address.forget_dead_workers(lock=Path(lock.name))
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            Worker(code, int(owner), float(idle_seconds)).serve(listening)
    except BaseException:
        traceback.print_exc()
        jvm.kill()
    finally:
        Path(path).unlink(missing_ok=True)
        os._exit(0)  # The JVM ends with its standard input.


if __name__ == "__main__":
    main(*sys.argv[1:])
