"""Runs on this machine whose process is gone: killed, out of memory, or lost in a power cut.

Dagster's history has them as running, and so their pools as taken: without an end, every later run
of their layers would wait indefinitely. The daemon ends them by Dagster's run monitoring
(dagster.yaml, `run_launcher` and `run_monitoring`), and `ecommerce run` before it starts.
"""

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

CLOCK_SECONDS = 2  # by which a process's start and an event's time may differ


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's launcher of processes, which can tell run monitoring whether one still lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run lives."""
        why = why_lost(self._instance, run)
        return CheckRunHealthResult(WorkerStatus.FAILED if why else WorkerStatus.RUNNING, why)


def why_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a started run can't end by itself any more; empty if its process lives."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_START)
    started = [record.event_log_entry for record in records.records]
    if not started or not started[-1].dagster_event or not started[-1].dagster_event.pid:
        return ""  # It has not begun, and run monitoring limits the time for that.
    pid = started[-1].dagster_event.pid
    try:
        # Another process may have its number by now.
        if psutil.Process(pid).create_time() <= started[-1].timestamp + CLOCK_SECONDS:
            return ""
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        return ""
    return (
        f"the process of the run ({pid}) is gone: killed, out of memory, or the machine was "
        "restarted. What it had published stays; run it again"
    )


def is_of_this_machine(instance: dg.DagsterInstance) -> bool:
    """Whether an instance's runs are processes here, and not tasks elsewhere, as on AWS."""
    return isinstance(instance.run_launcher, LocalRunLauncher)


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark lost runs as failed, which frees their pools; returns a line about each.

    Only where runs are processes of this machine.
    """
    if not is_of_this_machine(instance):
        return []
    going = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    ended = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=going)):
        why = why_lost(instance, run)
        now = instance.get_run_by_id(run.run_id)  # it may have ended meanwhile
        if why and now and now.status in going:
            instance.report_run_failed(run, why)
            ended.append(f"Run {run.run_id[:8]} of {run.job_name} is marked as failed: {why}")
    return ended
