"""The warm worker: one process for many jobs, that ends when it should and takes no row with it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.session import Size
from ecommerce_assets.package_files import PACKAGE
from ecommerce_assets.warm_worker import address
from ecommerce_assets.warm_worker.client import WarmJob, WorkerDied, start_job
from ecommerce_assets_tests.shop import DAY, Shop


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with which workers end; their sockets are in a folder of their own."""
    short = Path("/tmp") / f"warm-{os.getpid()}-{time.monotonic_ns()}"  # sockets
    short.mkdir(mode=0o700)
    monkeypatch.setattr(address, "folder", lambda: short)
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()
    _until(lambda: not list(short.glob("*.sock")) or not _workers(short))
    shutil.rmtree(short)


def _workers(folder: Path) -> list[psutil.Process]:
    """The running workers, by the process ids in their lock files."""
    found = []
    for lock in folder.glob("*.lock"):
        text = lock.read_text()
        if text and psutil.pid_exists(int(text)):
            process = psutil.Process(int(text))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _worker() -> psutil.Process:
    folder = address.folder()
    assert folder is not None
    (worker,) = _workers(folder)
    return worker


def _until(happens: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def _started(
    shop: Shop, owner: subprocess.Popen[bytes] | None, tables: str = "orders", idle: int = 60
) -> WarmJob | None:
    argv = ["--from", DAY, "--to", DAY, "--landing", str(shop.landing),
            "--lakehouse", str(shop.lakehouse), "--tables", tables]  # fmt: skip
    return start_job(
        "bronze", argv, owner=owner.pid if owner else None, idle_seconds=idle, size=Size.SMALL
    )


def _found(shop: Shop, tables: str) -> WarmJob:
    """A job in the worker that is there, once it is no longer busy with the last one."""
    jobs: list[WarmJob | None] = []

    def found() -> bool:
        jobs.append(_started(shop, None, tables))
        return jobs[-1] is not None

    _until(found)
    job = jobs[-1]
    assert job is not None
    return job


def _done(job: WarmJob | None) -> list[str]:
    assert job is not None
    lines: list[str] = []
    job.follow(lines.append)
    job.close()
    return lines


@pytest.mark.slow
def test_one_worker_serves_many_jobs_and_dies_with_its_owner(
    shop: Shop, owner: subprocess.Popen[bytes]
) -> None:
    shop.deliver_one_of_each()
    assert _started(shop, None) is None  # The command line starts none.
    (line,) = _done(_started(shop, owner))
    assert line.split()[:3] == ["bronze.orders", "1", "rows"]
    worker = _worker()
    _done(_found(shop, "products"))  # The command line uses one that is there.
    assert _worker() == worker
    with pytest.raises(PipelineError, match="--tables names order"):
        _done(_started(shop, owner, "order"))
    # Nothing of a lakehouse that was removed is remembered.
    shutil.rmtree(shop.lakehouse)
    _done(_started(shop, owner))
    assert _worker() == worker
    assert shop.one("select count(*) as n from bronze.orders")["n"] == 1
    children = worker.children(recursive=True)
    assert any(child.name() == "java" for child in children)
    owner.kill()
    owner.wait()
    _, alive = psutil.wait_procs([worker, *children], 20)
    assert not alive


@pytest.mark.slow
def test_a_busy_worker_refuses_and_a_killed_one_fails_the_run_which_runs_again(
    shop: Shop, owner: subprocess.Popen[bytes]
) -> None:
    shop.deliver_one_of_each()
    _done(_started(shop, owner))
    shop.deliver("orders", {}, {"order_id": "O2"})
    job = _started(shop, owner)
    assert job is not None
    assert _started(shop, owner, "products") is None
    worker = _worker()
    children = worker.children(recursive=True)
    worker.kill()
    with pytest.raises(WorkerDied, match="what was published stays as it was"):
        job.follow(lambda line: None)
    job.close()
    _, alive = psutil.wait_procs(children, 20)
    assert not alive
    _done(_started(shop, owner))
    assert shop.one("select count(*) as n from bronze.orders")["n"] == 2


@pytest.mark.slow
def test_a_stopped_job_ends_with_its_worker(shop: Shop, owner: subprocess.Popen[bytes]) -> None:
    shop.deliver_one_of_each()
    job = _started(shop, owner)
    assert job is not None
    worker = _worker()
    job.close()
    psutil.wait_procs([worker], 20)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    _done(_started(shop, owner))
    assert shop.one("select count(*) as n from bronze.orders")["n"] == 1


@pytest.mark.slow
def test_an_idle_worker_ends(shop: Shop, owner: subprocess.Popen[bytes]) -> None:
    shop.deliver_one_of_each()
    _done(_started(shop, owner, idle=1))
    folder = address.folder()
    assert folder is not None
    _until(lambda: not _workers(folder))
    (log,) = folder.glob("*.log")
    assert log.read_text() == "ended: idle\n"


@pytest.mark.slow
def test_a_worker_ends_when_the_code_changes(
    tmp_path: Path, owner: subprocess.Popen[bytes]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PYTHONPATH": str(copy)}
    code = subprocess.check_output(
        [sys.executable, "-c", "from ecommerce_assets.warm_worker import address; "
                               "print(address.code())"],
        env=environment, cwd=tmp_path, text=True,
    ).strip()  # fmt: skip
    folder = address.folder()
    assert folder is not None
    socket = folder / f"{code}-{owner.pid}.sock"
    command = [sys.executable, "-m", "ecommerce_assets.warm_worker.server", str(socket)]
    arguments = [code, str(owner.pid), "600"]
    # It was started for other code than it finds.
    other = [*command[:-1], str(folder / "x.sock"), "other", *arguments[1:]]
    assert subprocess.run(other, env=environment, cwd=tmp_path, timeout=60).returncode == 0
    assert not (folder / "x.sock").exists()
    worker = subprocess.Popen(
        [*command, *arguments], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    _until(socket.exists, 60)
    (copy / PACKAGE.name / "added.py").write_text("")
    _, error = worker.communicate(timeout=20)
    assert error == "ended: the code has changed\n"


def test_a_worker_is_not_as_large_as_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys\n"
        "held = bytearray(400_000_000)\n"
        "child = 'from ecommerce_assets.warm_worker.server import resident_bytes as r; print(r())'\n"
        "print(subprocess.check_output([sys.executable, '-c', child], text=True))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10_000_000 < int(found.stdout) < 350_000_000
