"""`make mutations`: breaks the incremental logic on purpose, one way at a time, and shows that the
test suite catches each.

    python -m ecommerce_assets_tests.mutations [NAME ...]

Each mutation is made in a copy of the package; the tests that must fail run against the copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ANY_HISTORY = "test_incremental.py::test_any_history_equals_the_oracle"
CORRECTED = "test_function_of_upstream.py::test_corrected_and_emptied_deliveries"


@dataclass(frozen=True)
class Mutation:
    """A change of the code that must not go unnoticed."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "a partition that only lost files counts as unchanged",
        "lakehouse/history.py",
        "(java.removedDataFiles(io), removed),",
        "",
        CORRECTED,
    ),
    Mutation(
        "a unit whose rows are gone counts as unchanged",
        "jobs/changes.py",
        '"_rows != 0 or _hash != 0"',
        '"_rows > 0 or _rows = 0 and _hash != 0"',
        ANY_HISTORY,
    ),
    Mutation(
        "a key that lost its current version is not looked for in the past",
        "jobs/plan.py",
        "came_before = bool(parts.removed)",
        "came_before = False",
        CORRECTED,
    ),
    Mutation(
        "a key whose current version is gone from a delivery counts as unchanged in gold",
        "jobs/plan.py",
        "states = [self._at(name, then), self._now(name)]",
        "states = [self._now(name)]",
        CORRECTED,
    ),
    Mutation(
        "a product that only items name does not count as touched",
        "jobs/plan.py",
        'return units.distinct().join(known, UNIT, "left_anti")',
        'return units.distinct().join(known, UNIT, "left_semi")',
        ANY_HISTORY,
    ),
    Mutation(
        "what a table rewrote is compared with nothing",
        "jobs/plan.py",
        "changed_rows(now, then, _unit(name))",
        "changed_rows(now, None, _unit(name))",
        CORRECTED,
    ),
    Mutation(
        "of two versions alike, any wins",
        "tables/current.py",
        "F.col(name).desc() for name in provenance()]",
        "F.col(name).asc() for name in provenance()]",
        "test_layers.py::test_version_rule",
    ),
    Mutation(
        "published before the audit",
        "jobs/materialize.py",
        "        self._staged[table.identifier] = state\n",
        "        self._staged[table.identifier] = state\n        state.publish()\n",
        "test_safety.py::test_a_failed_audit_leaves_nothing_behind",
    ),
    Mutation(
        "rows of touched units stay beside the new ones",
        "jobs/plan.py",
        "stays = touched.without(old.where(replace), unit)",
        "stays = old.where(replace)",
        CORRECTED,
    ),
    Mutation(
        "sums keep what is gone",
        "jobs/plan.py",
        "for sign in (1, -1):",
        "for sign in (1,):",
        ANY_HISTORY,
    ),
    Mutation(
        "an item that moves to another order does not touch the order it left",
        "jobs/changes.py",
        'both.join(F.broadcast(units), condition, "left_semi")',
        'both.join(F.broadcast(units), condition, "left_semi").where(f"{SIGN} = 1")',
        ANY_HISTORY,
    ),
    Mutation(
        "another code version is not noticed",
        "jobs/plan.py",
        "if marker.code_version != self.table.code_version:",
        "if False:",
        "test_safety.py::test_a_changed_code_version_makes_the_table_anew",
    ),
    Mutation(
        "a corrected delivery of the same files counts as read",
        "landing/files.py",
        'f"{file.source_file}\\0{file.digest}"',
        "file.source_file",
        CORRECTED,
    ),
    Mutation(
        "what was read is not compared with what was listed",
        "landing/store.py",
        "if self._digest.hexdigest() != self._expected:",
        "if False:",
        "test_landing.py::test_what_is_recorded_is_the_digest_of_what_was_read",
    ),
    Mutation(
        "an entry that can't be looked at is taken for none",
        "landing/store.py",
        "                raise _unseen(item.path, error) from error",
        "                continue",
        "test_landing.py::test_an_entry_that_can_not_be_looked_at_fails_the_run_and_is_named",
    ),
    Mutation(
        "members leave a dimension before the facts that name them do",
        "jobs/materialize.py",
        "            state.keep(left)",
        "            pass",
        "test_safety.py::test_members_leave_a_dimension_after_the_facts_that_name_them",
    ),
    Mutation(
        "a week is touched on the day alone",
        "tables/spans.py",
        "first + timedelta(days=7)",
        "first + timedelta(days=1)",
        ANY_HISTORY,
    ),
    Mutation(
        "files of another partitioning are compared as if they were of this one",
        "lakehouse/history.py",
        "return bool(file.specId() == self._spec_id)",
        "return True",
        "test_safety.py::test_a_table_is_partitioned_anew_when_its_declaration_is",
    ),
    Mutation(
        "the marker is not of the state that was read, but of the table's own",
        "jobs/plan.py",
        "made_from = {name: self.upstream[name].snapshot_id for name in self.table.upstream}",
        "made_from = {name: self.base.snapshot_id for name in self.table.upstream}",
        "test_safety.py::test_nothing_changed_nothing_written",
    ),
    Mutation(
        "the rows of a date are not counted from both ends",
        "tables/audits/silver.py",
        'or row["bronze"] != row["current"] + row["superseded"] + row["quarantined"]',
        "",
        "test_checks.py -k row_conservation",
    ),
)


def caught(mutation: Mutation, folder: Path) -> bool:
    """Whether the test fails on the mutated copy.

    Raises:
        SystemExit: the test did not run.
    """
    for name in ("ecommerce_assets", "ecommerce_assets_tests"):
        shutil.copytree(REPOSITORY / name, folder / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, folder)
    file = folder / "ecommerce_assets" / mutation.file
    file.write_text(file.read_text().replace(mutation.old, mutation.new))
    path, *options = mutation.test.split(" ")
    call = [sys.executable, "-m", "pytest", "-x", "-q", f"ecommerce_assets_tests/{path}", *options,
            "--timeout", "0", "--hypothesis-profile", "mutation"]  # fmt: skip
    done = subprocess.run(
        call, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    if done.returncode not in (0, 1):
        sys.exit(
            f"{mutation.name}: the test did not run\n{done.stdout[-2000:]}{done.stderr[-500:]}"
        )
    return done.returncode == 1


def main() -> None:
    """Try them all; exit code 1 if the suite lets one pass."""
    wanted = sys.argv[1:]
    missed = 0
    for mutation in MUTATIONS:
        if wanted and not any(word in mutation.name for word in wanted):
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = caught(mutation, Path(folder))
        missed += not found
        print(f"{'caught' if found else 'MISSED':<8}{time.perf_counter() - started:6.0f} s  "
              f"{mutation.name}  ({mutation.test.split('::')[-1]})", flush=True)  # fmt: skip
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
