"""`make mutations`: breaks the incremental logic on purpose, one way at a time, and shows that the
test suite catches each.

    python -m tools.mutations [--quick | NAME ...]

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

from tools.syntax import NotOnce, replaced

REPOSITORY = Path(__file__).parents[1]
LEFT_BEHIND = (
    "test_function_of_upstream.py::test_an_item_moves_a_sale_is_cancelled_a_line_is_taken_back"
)
VERSION_CHANGES = "test_code_version.py::test_a_change_of_behaviour_recomputes_what_it_decides"
INFERRED = (
    "test_function_of_upstream.py::test_inferred_members_come_and_go_with_the_items_that_name_them"
)
SEVERAL_SOURCES = "test_several_sources.py::test_a_key_moves_between_sources"
EXPIRED = "test_staging.py::test_what_expired_is_unknown_and_not_nothing"
IDLE = "test_idle.py::test_what_may_have_changed_is_left_to_the_refresh"
CORRECTED = "test_function_of_upstream.py::test_corrected_and_emptied_deliveries"


@dataclass(frozen=True)
class Mutation:
    """A change of the code that must not go unnoticed.

    Attributes:
        name: what is wrong then.
        file: below the package.
        old, new: patterns, see `tools.syntax`; of SQL, pieces of the text.
        test: what must fail.
        function: the only function in which `old` is looked for.
        is_sql: whether it changes SQL.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    function: str = ""
    is_sql: bool = False

    def applied(self, source: str) -> str:
        """The mutated source.

        Raises:
            NotOnce: what it changes is not there, or not once.
        """
        if not self.is_sql:
            return replaced(source, self.old, self.new, self.function)
        if source.count(self.old) != 1:
            raise NotOnce(f"{self.old!r} occurs {source.count(self.old)} times")
        return source.replace(self.old, self.new)


MUTATIONS = (
    Mutation(
        "a partition that only lost files counts as unchanged",
        "lakehouse/history.py",
        "(added if is_added else removed).add(self._first_day(file))",
        "added.add(self._first_day(file)) if is_added else None",
        CORRECTED,
    ),
    Mutation(
        "a key whose rows are gone counts as unchanged",
        "refresh/changes.py",
        "_rows <> 0 OR _hash <> 0",
        "_rows > 0 OR (_rows = 0 AND _hash <> 0)",
        LEFT_BEHIND,
        is_sql=True,
    ),
    Mutation(
        "a key that lost its current version is not looked for in the past",
        "refresh/latest_version.py",
        "any(_a.removed for _a in _b)",
        "False",
        CORRECTED,
    ),
    Mutation(
        "a key whose current version is gone from a delivery counts as unchanged in gold",
        "refresh/upstream.py",
        "[_a.at(_b, _c), _a.now(_b)]",
        "[_a.now(_b), _a.now(_b)]",
        CORRECTED,
    ),
    Mutation(
        "a product that only items name does not count as affected",
        "refresh/inputs.py",
        "ANTI JOIN known",
        "SEMI JOIN known",
        INFERRED,
        is_sql=True,
    ),
    Mutation(
        "what a table rewrote is compared with nothing",
        "refresh/upstream.py",
        "changed_rows(_a, _b, *_rest)",
        "changed_rows(_a, None, *_rest)",
        CORRECTED,
        "offer_changed_rows",
    ),
    Mutation(
        "a file with quotes counts as plain",
        "landing/plain.py",
        "_a and _a.encode() in _b",
        "False",
        "test_plain.py::test_the_rows_of_the_strict_reader_or_nothing",
    ),
    Mutation(
        "rows are left out of which the shop file's condition is unknown",
        "tables/feed.py",
        "f'TRY(({sql}\\n))'",
        "f'coalesce(TRY(({sql}\\n)), false)'",
        "test_shop_file.py::test_a_row_whose_condition_can_not_be_told_is_quarantined",
    ),
    Mutation(
        "parts of a key are joined without telling apart their ends",
        "tables/feed.py",
        "_replaced(_replaced(text, _a, _b), _c, _d)",
        "text",
        "test_shop_file.py::test_different_keys_of_several_columns_stay_different",
    ),
    Mutation(
        "what the affected orders were is not taken off the totals",
        "tables/audits/orders.py",
        "number(known.totals[_a]) - _b[_a]",
        "number(known.totals[_a])",
        "test_incremental.py -k any_history_equals",
    ),
    Mutation(
        "guests are counted as a customer",
        "tables/star.py",
        "f'customer_key <> surrogate_key({ansi_literal(GUEST)})'",
        "'customer_key IS NOT NULL'",
        "test_shop_file.py::test_guests_count_in_revenue_and_in_no_ranking",
    ),
    Mutation(
        "cents left over by rounding the shares of a discount are lost",
        "tables/star.py",
        "f'CASE WHEN {share}_place <= {share}_left THEN 1 ELSE 0 END'",
        "'0'",
        "test_layers.py::test_discount_shares_add_up_in_whole_cents",
    ),
    Mutation(
        "of two versions alike, any wins",
        "tables/silver/__init__.py",
        "latest_first(VERSION_ORDER)",
        "latest_first(VERSION_ORDER[:1])",
        "test_layers.py::test_version_rule",
    ),
    Mutation(
        "published before the audit",
        "jobs/publish_group.py",
        "_s = scope_of(_a, *_rest)",
        "_s = scope_of(_a, *_rest)\n_a.branch.publish()",
        "test_safety.py::test_a_failed_audit_leaves_nothing_behind",
    ),
    Mutation(
        "rows of affected keys stay beside the new ones",
        "refresh/replacement.py",
        "_a.without(_b, _c)",
        "_b",
        CORRECTED,
    ),
    Mutation(
        "sums keep what is gone",
        "refresh/running_sums.py",
        "(1, -1)",
        "(1,)",
        LEFT_BEHIND,
    ),
    Mutation(
        "an item that moves to another order does not affect the order it left",
        "refresh/changes.py",
        "SEMI JOIN changed ON {same}",
        "SEMI JOIN changed ON {same} WHERE {SIGN} = 1",
        LEFT_BEHIND,
        is_sql=True,
    ),
    Mutation(
        "another code version is not noticed",
        "refresh/upstream.py",
        "_a.code_version != _b.code_version",
        "False",
        "test_safety.py::test_a_changed_code_version_makes_the_table_anew",
        "upstream_changes",
    ),
    Mutation(
        "a corrected delivery of the same files counts as read",
        "landing/files.py",
        "f'{_a.source_file}\\0{_a.digest}'",
        "_a.source_file",
        CORRECTED,
    ),
    Mutation(
        "what was read is not compared with what was listed",
        "landing/store.py",
        "self._digest.hexdigest() != self._expected",
        "False",
        "test_landing.py::test_what_is_recorded_is_the_digest_of_what_was_read",
    ),
    Mutation(
        "an entry that can't be examined counts as absent",
        "landing/store.py",
        "raise _unseen(_a.path, _e) from _e",
        "continue",
        "test_landing.py::test_an_entry_that_can_not_be_looked_at_fails_the_run_and_is_named",
    ),
    Mutation(
        "members leave a dimension before the facts that name them do",
        "jobs/publish_group.py",
        "branch.keep(partial(self._engine.overwrite, more, summary={}))",
        "pass",
        "test_safety.py::test_members_leave_a_dimension_after_the_facts_that_name_them",
    ),
    Mutation(
        "a new column is there before it is published",
        "lakehouse/schemas.py",
        "submit(table, updates, same)",
        "submit(table, [*updates, update.SetCurrentSchemaUpdate()], same)",
        "test_staging.py::test_a_new_column_is_seen_when_it_is_published",
    ),
    Mutation(
        "a column that is not published yet counts as empty",
        "jobs/publish_group.py",
        "inputs.must_have_columns()",
        "pass",
        "test_lost_data.py::test_a_column_that_is_not_published_yet_is_no_empty_one",
    ),
    Mutation(
        "a week is affected on the day alone",
        "intervals.py",
        "_a + timedelta(days=7)",
        "_a + timedelta(days=1)",
        LEFT_BEHIND,
    ),
    Mutation(
        "what expired counts as nothing",
        "lakehouse/history.py",
        "reached != old or not complete",
        "reached != old",
        EXPIRED,
    ),
    Mutation(
        "another run's publication is overwritten",
        "lakehouse/staging.py",
        "(_a and _a.snapshot_id) != self._published or self._tip(table) != tip",
        "self._tip(table) != tip",
        "test_staging.py::test_of_two_runs_at_once_the_second_starts_again",
    ),
    Mutation(
        "files of another partitioning are compared as if they were of this one",
        "lakehouse/history.py",
        "bool(_a.spec_id == self.spec_id)",
        "True",
        "test_safety.py::test_a_table_is_partitioned_anew_when_its_declaration_is",
    ),
    Mutation(
        "the record does not name the snapshots that were read, but the table's own",
        "refresh/inputs.py",
        "{_a: self.upstream[_a].snapshot_id for _a in self.table.upstream}",
        "{_a: self.published.snapshot_id for _a in self.table.upstream}",
        "test_safety.py::test_nothing_changed_nothing_written",
    ),
    Mutation(
        "the rows of a date are not counted from both sides",
        "tables/audits/silver.py",
        "_a['bronze'] != _b + _a['current'] + _a['superseded'] + _a['quarantined']",
        "False",
        "test_checks.py -k row_conservation",
    ),
    Mutation(
        "the code version does not follow what a definition names",
        "code_version.py",
        "waiting.extend(_a.names)",
        "None",
        VERSION_CHANGES,
    ),
    Mutation(
        "the code version leaves the planner aside",
        "model/table.py",
        "self.refresh.planner",
        "None",
        VERSION_CHANGES,
        "decides_rows",
    ),
    Mutation(
        "the code version does not follow methods of a class that is only an annotation",
        "syntax_trees.py",
        "self._annotation(_a)",
        "None",
        VERSION_CHANGES,
        "_member",
    ),
    Mutation(
        "the name of a local variable counts for the code version",
        "syntax_trees.py",
        "local.get(_a, _a)",
        "_a",
        "test_code_version.py::test_the_name_of_a_local_variable_decides_nothing",
        "_name",
    ),
    Mutation(
        "a delivery that other code read counts as read",
        "refresh/landed.py",
        "_a.code_version == version",
        "True",
        "test_code_version.py::test_a_mended_reader_reads_the_deliveries_again",
    ),
    Mutation(
        "dates read by other code are forgotten by the next run",
        "refresh/landed.py",
        "_a.code_version != version",
        "False",
        "test_code_version.py::test_a_mended_reader_reads_the_deliveries_again",
    ),
    Mutation(
        "a small table's check judges the deliveries of all dates",
        "refresh/latest_version.py",
        "_dates(changes)",
        "list(rows.dates)",
        "test_whole.py::test_a_broken_delivery_is_not_diluted_by_good_ones",
        "judged",
    ),
    Mutation(
        "new deliveries replace a small table instead of being merged with it",
        "refresh/latest_version.py",
        "all_rows([_a, self.as_candidates(published, _a)])",
        "_a",
        "test_whole.py::test_small_tables_are_recomputed_as_a_whole",
    ),
    Mutation(
        "a small table is merged with a delivery that replaces another one",
        "refresh/latest_version.py",
        "not some_replaced and _a",
        "_a",
        "test_whole.py::test_a_version_that_is_gone_does_not_stay_in_a_small_table_of_many_versions",
    ),
    Mutation(
        "a changed date is looked at in the first source alone",
        "refresh/latest_version.py",
        "inputs.table.upstream",
        "inputs.table.upstream[:1]",
        SEVERAL_SOURCES,
        "_delivered",
    ),
    Mutation(
        "an earlier version is looked for in the first source alone",
        "refresh/latest_version.py",
        "[self._versions_of(_a, _b, _c, _d) for _c in inputs.table.upstream]",
        "[self._versions_of(_a, _b, inputs.table.upstream[0], _d)]",
        SEVERAL_SOURCES,
    ),
    Mutation(
        "a column that is declared no more stays in a table that was computed anew",
        "lakehouse/staging.py",
        "lacking if whole else ()",
        "()",
        "test_several_sources.py::test_a_source_is_taken_out_and_comes_back",
    ),
    Mutation(
        "a changed delivery is not noticed without Spark",
        "refresh/landed.py",
        "None if read.files else Nothing(NOTHING_NEW, evidence)",
        "Nothing(NOTHING_NEW, evidence)",
        IDLE,
    ),
    Mutation(
        "what landing has let go is given up",
        "refresh/landed.py",
        "sorted(day for day in read if retention.has_let_go(day) and day not in damaged)",
        "[]",
        "test_rebuild.py::test_a_late_file_is_added_to_what_landing_has_let_go",
    ),
    Mutation(
        "several dates may vanish at once",
        "refresh/landed.py",
        "len(removed) > 1",
        "False",
        "test_lost_data.py::test_deliveries_that_can_not_be_seen_any_more",
    ),
    Mutation(
        "a table with lost files counts as unchanged",
        "refresh/upstream.py",
        "known.request.damaged.get(table.identifier)",
        "None",
        "test_lost_data.py::test_a_run_mends_a_table_that_has_lost_a_file",
    ),
    Mutation(
        "a new upstream snapshot is not noticed without Spark",
        "refresh/upstream.py",
        "changes if any(changes.values()) else Nothing(why=NOTHING_CHANGED)",
        "Nothing(why=NOTHING_CHANGED)",
        IDLE,
    ),
    Mutation(
        "a table that reads one with work to do counts as idle",
        "jobs/idle.py",
        "reads <= _a",
        "True",
        IDLE,
    ),
    Mutation(
        "a corrected rate reaches no order",
        "refresh/upstream.py",
        "found += _matching_keys(inputs, rows, mapping)",
        "found += []",
        "test_currencies.py::test_a_corrected_rate_recomputes_the_orders_of_its_days_and_no_others",
        is_sql=True,
    ),
    Mutation(
        "a rate is good for eight days",
        "tables/currencies.py",
        "DAYS_VALID = 7",
        "DAYS_VALID = 8",
        "test_currencies.py::"
        "test_an_order_is_converted_at_the_rate_of_its_day_or_of_the_seven_before",
        is_sql=True,
    ),
    Mutation(
        "a yen has hundredths",
        "shop/model.py",
        "_DIGITS.get(currency, 2)",
        "2",
        "test_currencies.py::test_amounts_are_rounded_to_the_smallest_unit_of_their_currency",
    ),
    Mutation(
        "the dashboard is not built again for new snapshots",
        "dashboard/build.py",
        "[_a, _b, _c, _d, snapshots]",
        "[_a, _b, _c, _d]",
        "test_dashboard.py::test_it_is_built_again_only_for_something_new",
    ),
)
# Those whose tests take seconds: a part of CI.
QUICK = {VERSION_CHANGES, EXPIRED, "test_layers.py::test_version_rule"}


def found(test: str) -> Path:
    """Where a test is, given as `test_file.py` or `test_file.py::test`, in its folder."""
    file, *rest = test.split("::")
    (path,) = (REPOSITORY / "ecommerce_assets_tests").rglob(file)
    return Path("::".join([str(path.relative_to(REPOSITORY)), *rest]))


def caught(mutation: Mutation, folder: Path) -> bool:
    """Whether the test fails on the mutated copy.

    Raises:
        SystemExit: the test did not run.
    """
    for name in ("ecommerce_assets", "ecommerce_assets_tests", "tools"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    file = folder / "ecommerce_assets" / mutation.file
    file.write_text(mutation.applied(file.read_text()))
    path, *options = mutation.test.split(" ")
    call = [sys.executable, "-m", "pytest", "-x", "-q", str(found(path)), *options,
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
    """Try them all, or those named; exit code 1 if the suite misses one."""
    wanted = sys.argv[1:]
    missed = 0
    for mutation in MUTATIONS:
        if wanted == ["--quick"] and mutation.test not in QUICK:
            continue
        if wanted not in ([], ["--quick"]) and not any(word in mutation.name for word in wanted):
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
