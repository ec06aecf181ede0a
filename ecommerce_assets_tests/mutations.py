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
VERSION_CHANGES = "test_code_version.py::test_a_change_of_behaviour_recomputes_what_it_decides"
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
        "a key whose rows are gone counts as unchanged",
        "refresh/changes.py",
        '"_rows != 0 or _hash != 0"',
        '"_rows > 0 or _rows = 0 and _hash != 0"',
        ANY_HISTORY,
    ),
    Mutation(
        "a key that lost its current version is not looked for in the past",
        "refresh/latest_version.py",
        "some_replaced = bool(partitions.removed)",
        "some_replaced = False",
        CORRECTED,
    ),
    Mutation(
        "a key whose current version is gone from a delivery counts as unchanged in gold",
        "refresh/upstream.py",
        "snapshots = [inputs.at(name, then), inputs.now(name)]",
        "snapshots = [inputs.now(name), inputs.now(name)]",
        CORRECTED,
    ),
    Mutation(
        "a product that only items name does not count as affected",
        "refresh/inputs.py",
        'return keys.distinct().join(known, KEY, "left_anti")',
        'return keys.distinct().join(known, KEY, "left_semi")',
        ANY_HISTORY,
    ),
    Mutation(
        "what a table rewrote is compared with nothing",
        "refresh/upstream.py",
        "lambda: changed_rows(now, before, ",
        "lambda: changed_rows(now, None, ",
        CORRECTED,
    ),
    Mutation(
        "of two versions alike, any wins",
        "tables/silver/__init__.py",
        "[F.col(name).desc_nulls_last() for name in VERSION_ORDER]",
        "[F.col(VERSION_ORDER[0]).desc_nulls_last()]",
        "test_layers.py::test_version_rule",
    ),
    Mutation(
        "published before the audit",
        "jobs/publish_group.py",
        "        started = perf_counter()\n        table, written = self._tables[name], self._written[name]\n",
        "        started = perf_counter()\n        table, written = self._tables[name], self._written[name]\n"
        "        written.branch.publish()\n",
        "test_safety.py::test_a_failed_audit_leaves_nothing_behind",
    ),
    Mutation(
        "rows of affected keys stay beside the new ones",
        "refresh/replacement.py",
        "stays = affected.without(old.where(replace), key)",
        "stays = old.where(replace)",
        CORRECTED,
    ),
    Mutation(
        "sums keep what is gone",
        "refresh/running_sums.py",
        "for sign in (1, -1):",
        "for sign in (1,):",
        ANY_HISTORY,
    ),
    Mutation(
        "an item that moves to another order does not touch the order it left",
        "refresh/changes.py",
        'both.join(F.broadcast(keys), condition, "left_semi")',
        'both.join(F.broadcast(keys), condition, "left_semi").where(f"{SIGN} = 1")',
        ANY_HISTORY,
    ),
    Mutation(
        "another code version is not noticed",
        "refresh/upstream.py",
        "if record.code_version != table.code_version:",
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
        "jobs/publish_group.py",
        "            written.branch.keep(left)",
        "            pass",
        "test_safety.py::test_members_leave_a_dimension_after_the_facts_that_name_them",
    ),
    Mutation(
        "a week is affected on the day alone",
        "intervals.py",
        "start + timedelta(days=7)",
        "start + timedelta(days=1)",
        ANY_HISTORY,
    ),
    Mutation(
        "files of another partitioning are compared as if they were of this one",
        "lakehouse/history.py",
        "return bool(file.specId() == self.spec_id)",
        "return True",
        "test_safety.py::test_a_table_is_partitioned_anew_when_its_declaration_is",
    ),
    Mutation(
        "the record does not name the snapshots that were read, but the table's own",
        "refresh/inputs.py",
        "return {name: self.upstream[name].snapshot_id for name in self.table.upstream}",
        "return {name: self.published.snapshot_id for name in self.table.upstream}",
        "test_safety.py::test_nothing_changed_nothing_written",
    ),
    Mutation(
        "the rows of a date are not counted from both ends",
        "tables/audits/silver.py",
        'or row["bronze"] != row["current"] + row["superseded"] + row["quarantined"]',
        "",
        "test_checks.py -k row_conservation",
    ),
    Mutation(
        "the code version does not follow what a definition names",
        "code_version.py",
        "waiting.extend(definition.names)",
        "pass",
        VERSION_CHANGES,
    ),
    Mutation(
        "the code version leaves the strategy aside",
        "tables/declaration.py",
        "            self.refresh,\n",
        "",
        VERSION_CHANGES,
    ),
    Mutation(
        "the code version does not follow methods of a class that is only an annotation",
        "code_version.py",
        "self._annotation(value)",
        "pass",
        VERSION_CHANGES,
    ),
    Mutation(
        "the name of a local variable counts for the code version",
        "code_version.py",
        "return local.get(name, name)",
        "return name",
        "test_code_version.py::test_the_name_of_a_local_variable_decides_nothing",
    ),
    Mutation(
        "a delivery that other code read counts as read",
        "refresh/landed.py",
        "if record.code_version == inputs.table.code_version:",
        "if True:",
        "test_code_version.py::test_a_mended_reader_reads_the_deliveries_again",
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
