"""The run's side of the warm worker: find or start it, hand it a job, follow it, stop it."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.reporting import PROGRESS_LOG
from ecommerce_assets.warm_worker import address

START_SECONDS = 30
ACCEPT_SECONDS = 60  # until it has imported the pipeline
POLL_SECONDS = 0.02
LOG = ".log"


class WorkerDied(Exception):
    """The worker ended before the job did."""


class WarmJob:
    """A job that a warm worker has accepted.

    Args:
        log: where the worker's standard error goes.
    """

    def __init__(self, connection: socket.socket, lines: Any, log: Path) -> None:
        self._connection, self._lines, self._log = connection, lines, log

    def follow(self, progress: Callable[[str], None]) -> None:
        """Wait for the end of the job.

        Args:
            progress: receives the job's log, line by line.

        Raises:
            PipelineError: the job failed.
            WorkerDied: the worker ended before the job did, or the job was stopped.
            RuntimeError: an unexpected error of the job, with its traceback.
        """
        for answer in _answers(self._lines):
            if "log" in answer:
                progress(answer["log"])
            elif "failed" in answer:
                raise PipelineError(answer["failed"])
            elif "error" in answer:
                raise RuntimeError(answer["error"])
            elif "done" in answer:
                return
        raise WorkerDied(
            "the warm worker that ran the job has ended, so Spark has; what was published stays as "
            f"it was, and running it again is safe. Its log: {self._log}"
        )

    def close(self) -> None:
        """End the connection, and with it a job that is not done."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def start_job(
    layer: str, argv: Sequence[str], *, size: str, owner: int | None, idle_seconds: int
) -> WarmJob | None:
    """Hand a job to the worker of this code; None if there is none, or if it is busy.

    Args:
        layer: of the job.
        argv: its arguments; all locations absolute.
        size: of the run, for which its JVM is to be configured.
        owner: the process with which a worker ends, which is started if there is none; None to use
            only a worker that is there.
        idle_seconds: how long a started worker waits for another job.
    """
    try:
        return _started(layer, argv, size, owner, idle_seconds)
    except OSError as error:  # of the folder, or of a file that has just vanished
        logging.getLogger(PROGRESS_LOG).debug("no warm worker: %s", error)
        return None


def _started(
    layer: str, argv: Sequence[str], size: str, owner: int | None, idle_seconds: int
) -> WarmJob | None:
    code = address.code()
    if owner is None:
        found = (_hand_over(path, layer, argv) for path in address.sockets(code, size))
        return next((job for job in found if job), None)
    path = address.socket_of(code, owner, size)
    if path is None:
        return None
    return _hand_over(path, layer, argv) or (
        None if _listens(path) else _start(path, code, owner, idle_seconds, layer, argv)
    )


def _listens(path: Path) -> bool:
    connection = _connect(path)
    if connection:
        connection.close()
    return connection is not None


def _start(
    path: Path, code: str, owner: int, idle_seconds: int, layer: str, argv: Sequence[str]
) -> WarmJob | None:
    """Start a worker and hand it the job."""
    with path.with_suffix(LOG).open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ecommerce_assets.warm_worker.server", str(path), code,
             str(owner), str(idle_seconds)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline:
        if job := _hand_over(path, layer, argv):
            return job
        if process.poll() is not None:
            break  # Another run has just started one, or the code has changed.
        sleep(POLL_SECONDS)
    return _hand_over(path, layer, argv)


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.fspath(path))
    except OSError:  # nobody listens
        connection.close()
        return None
    return connection


def _hand_over(path: Path, layer: str, argv: Sequence[str]) -> WarmJob | None:
    """Ask the worker to run the job; None if nobody listens, or if it does not accept."""
    connection = _connect(path)
    if connection is None:
        return None
    connection.settimeout(ACCEPT_SECONDS)
    lines = connection.makefile("r", encoding="utf-8")
    try:
        connection.sendall(f"{json.dumps({'job': layer, 'argv': list(argv)})}\n".encode())
        accepted = next(_answers(lines), {"accepted": False})["accepted"]
    except OSError:  # it ended meanwhile
        accepted = False
    if not accepted:
        connection.close()
        return None
    connection.settimeout(None)
    return WarmJob(connection, lines, path.with_suffix(LOG))


def _answers(lines: Any) -> Iterator[dict[str, Any]]:
    """The worker's answers until the connection ends."""
    with suppress(OSError, ValueError):  # a closed connection; a line cut off by the worker's end
        for line in lines:
            yield json.loads(line)
