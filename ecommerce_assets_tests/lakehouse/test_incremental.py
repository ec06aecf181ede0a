"""Promise 1 against the oracle: random histories, any run, and what a table then must hold.

`pytest --hypothesis-profile soak` (`make soak`) runs many more of them.
"""

import random
import re
import threading
from contextlib import ExitStack, closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ecommerce_assets.engine.embedded import EmbeddedEngine
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.audit import totals_version
from ecommerce_assets.lakehouse import staging
from ecommerce_assets.lakehouse.history import history_of
from ecommerce_assets.refresh import limits
from ecommerce_assets.refresh.limits import ALWAYS_INCREMENT, Limits
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import current_shop, using
from ecommerce_assets.tables import LAYERS, all_tables, tables_of
from ecommerce_assets.tables.audits import orders
from ecommerce_assets.tables.currencies import currencies_of
from ecommerce_assets.tables.star import SALES
from ecommerce_assets_tests import oracle
from ecommerce_assets_tests.comparison import differences, refused_now
from ecommerce_assets_tests.drawn_shops import SOURCES, ShopWorlds, shop_file, written
from ecommerce_assets_tests.oracle_of_shop import OracleOfShop
from ecommerce_assets_tests.shop import Shop, of_currencies
from ecommerce_assets_tests.worlds import DAYS, TABLES, Worlds

WORLDS = 40
SEEDS = st.integers(0, 10**6)
RANGES = st.sampled_from([(a, b) for a in DAYS for b in DAYS if a <= b])
SELECTIONS = st.fixed_dictionaries(
    {
        layer: st.one_of(
            st.just(frozenset(table.name for table in tables_of(layer))),
            st.frozensets(st.sampled_from([table.name for table in tables_of(layer)]), max_size=3),
        )
        for layer in LAYERS
    }
)
DELIVERIES = st.lists(
    st.tuples(st.sampled_from(TABLES), st.sampled_from(DAYS)), min_size=1, max_size=6
)
CHANGED_CODE = st.one_of(st.none(), st.none(), st.none(), st.sampled_from(list(all_tables())))
FREE = 300  # about half of the tables are recomputed as a whole
ALWAYS_WHOLE = 10**9
# By its own check, with its publish group, or as it reads a table that was refused.
REFUSED = re.compile(r"(gold\.\w+: )?gold\.\w+ was not published|skipped, as gold\.")
# A few rows are treated as those of a large shop are, so that keys are not collected or listed.
AS_IF_LARGE = {"collected_keys": len(DAYS), "listed_keys": 2, "large_table": 5}
LIMITS = st.sampled_from(
    [
        Limits(finding_changes=ALWAYS_INCREMENT),
        Limits(finding_changes=ALWAYS_INCREMENT, **AS_IF_LARGE),
        Limits(finding_changes=FREE, **AS_IF_LARGE),
        Limits(finding_changes=ALWAYS_WHOLE),
    ]
)
# Of the default shop, the reporting currency first: the smallest unit of JPY is 1, of KWD 0.001.
CURRENCIES = (
    ("EUR", "PLN"),
    ("EUR", "PLN"),
    ("EUR", "JPY", "KWD", "PLN"),
    ("KWD", "JPY"),
    ("JPY", "EUR"),
)
ENGINE = st.sampled_from([*["duckdb"] * 9, "spark"])  # One run in ten starts or uses a JVM.
HOW = st.sampled_from(["alone", "killed", "two at once"])


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the product may see it as an error of its own."""


class Counts:
    """What ran, for the line at the end."""

    sequences = deliveries = runs = kills = races = refused = compared = totals = shops = 0


class Histories(RuleBasedStateMachine):
    """Deliveries and runs in any order; after each run, every table it made equals the oracle."""

    counts: ClassVar[type[Counts]] = Counts

    @initialize(seed=SEEDS)
    def open(self, seed: int) -> None:
        self.patched = pytest.MonkeyPatch()
        self.folder = TemporaryDirectory()
        self.shop = Shop(Path(self.folder.name))
        self.bronze: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self.versions = 0
        self.made: set[str] = set()
        self.opened(seed)
        for number, table in enumerate(TABLES):
            for day in DAYS[:2]:
                self.worlds.deliver(self.source(table), day, seed + number)
        Counts.sequences += 1

    def opened(self, seed: int) -> None:
        """Take the shop's deliveries and its oracle."""
        own, *others = CURRENCIES[seed % len(CURRENCIES)]
        self.worlds = Worlds(self.shop, WORLDS, others)
        self.oracle = oracle.Oracle(own, *others)
        self.given = ExitStack()
        self.given.enter_context(using(of_currencies(own, *others)))

    def source(self, table: str) -> str:
        """The source that is meant by a table of the default shop."""
        return table

    def changes_now(self) -> bool:
        """Whether to change something though no table was drawn."""
        return False

    def change(self, table: str | None) -> None:
        """Change the code of a table."""
        assert table
        self.versions += 1
        all_tables()[table].__dict__["code_version"] = f"version {self.versions}"

    def teardown(self) -> None:
        self.patched.undo()
        for table in all_tables().values():
            table.__dict__.pop("code_version", None)
        if hasattr(self, "folder"):
            self.folder.cleanup()
        if hasattr(self, "given"):
            self.given.close()

    @rule(
        deliveries=DELIVERIES,
        seed=SEEDS,
        changed=CHANGED_CODE,
        dates=RANGES,
        others=RANGES,
        selection=SELECTIONS,
        how=HOW,
        after=st.integers(0, 6),
        engines=st.tuples(ENGINE, ENGINE),
        chosen=LIMITS,
    )
    def deliver_and_materialize(
        self,
        deliveries: list[tuple[str, str]],
        seed: int,
        changed: str | None,
        dates: tuple[str, str],
        others: tuple[str, str],
        selection: dict[str, frozenset[str]],
        how: str,
        after: int,
        engines: tuple[str, str],
        chosen: Limits,
    ) -> None:
        """Some deliveries, then any selection of tables for any dates, in any of the ways.

        Either engine continues from what the other has written; of two runs at once, each has its own.
        Each run has its own limits as well, so that increments follow whole tables.
        """
        self.engines = engines
        self.patched.setattr(limits, "DEFAULT", chosen)
        for table, day in deliveries:
            self.worlds.deliver(self.source(table), day, seed)
        Counts.deliveries += len(deliveries)
        sources = frozenset(map(self.source, selection["bronze"]))
        selection = {**selection, "bronze": sources}
        if changed or self.changes_now():
            self.change(changed)
        if how == "killed":
            self._killed(dates, selection, after)
        if how == "two at once":
            self._two_at_once(dates, others, selection)
        self._run(dates, selection)

    def _killed(
        self, dates: tuple[str, str], selection: dict[str, frozenset[str]], after: int
    ) -> None:
        """A run that ends between writing and publishing a table."""
        publish, drop = staging.Staged._fast_forward, staging.drop_branch
        left = [after]

        def stop(staged: staging.Staged, tip: int, *, remove: bool) -> None:
            if left[0] <= 0:
                raise Killed
            left[0] -= 1
            publish(staged, tip, remove=remove)

        staging.Staged._fast_forward = stop  # type: ignore[method-assign, assignment]
        staging.drop_branch = lambda *arguments: None
        try:
            self._start(dates, selection)
        except (Killed, BaseExceptionGroup):
            Counts.kills += 1
        finally:
            staging.Staged._fast_forward = publish  # type: ignore[method-assign]
            staging.drop_branch = drop

    def _two_at_once(
        self, dates: tuple[str, str], others: tuple[str, str], selection: dict[str, frozenset[str]]
    ) -> None:
        """Two runs of the same tables at the same time."""
        selection = {"bronze": selection["bronze"]} | {
            layer: frozenset(sorted(selection[layer])[:2]) for layer in ("silver", "gold")
        }
        errors: list[BaseException] = []

        def work() -> None:
            try:
                self._start(others, selection, another=True)
            except BaseException as error:
                errors.append(error)

        other = threading.Thread(target=work)
        other.start()
        try:
            self._start(dates, selection)
        finally:
            other.join()
        if errors:
            raise errors[0]
        self._record(others, selection)
        Counts.races += 1

    def _usable(self, selection: dict[str, frozenset[str]]) -> dict[str, list[str]]:
        """The selected tables whose upstream tables are there, or made by the same run."""
        there, usable = set(self.made), {}
        for layer in LAYERS:
            usable[layer] = []
            for table in tables_of(layer):
                if table.name in selection[layer] and there.issuperset(table.reads):
                    usable[layer].append(table.name)
                    there.add(table.identifier)
        return usable

    def _start(
        self,
        dates: tuple[str, str],
        selection: dict[str, frozenset[str]],
        *,
        another: bool = False,
    ) -> dict[str, str]:
        """Run the layers; why by table that was refused."""
        refused: dict[str, str] = {}
        engine = self.engines[another]
        for layer, names in self._usable(selection).items():
            if not names:
                continue
            try:
                self.shop.run(layer, ",".join(names), *dates, engine=engine)
            except PipelineError as error:
                refused |= _refusals(error)
            made = {f"{layer}.{name}" for name in names}
            self.made.update(made - refused.keys())
        return refused

    def _run(self, dates: tuple[str, str], selection: dict[str, frozenset[str]]) -> None:
        before = self._published()
        refused = self._start(dates, selection)
        Counts.runs += 1
        Counts.refused += len(refused)
        usable = self._usable(selection)
        self._record(dates, selection)
        names = [f"{layer}.{name}" for layer in LAYERS for name in usable[layer]]
        assert refused.keys() == refused_now(self.shop.lakehouse, names, self.oracle), refused
        after = self._published()
        assert {name: before.get(name) for name in refused} == {
            name: after.get(name) for name in refused
        }
        made = [name for name in names if name not in refused]
        if not made:
            return
        Counts.compared += len(made)
        assert differences(self.shop.lakehouse, made, self._bronze_rows(usable), self.oracle) == {}
        if SALES in made:
            self._audited_as_a_whole()

    def _audited_as_a_whole(self) -> None:
        """Totals that were brought up to date equal those of all orders and items."""
        facts = history_of(self.shop.tables, SALES)
        kept = facts.totals(str(totals_version(all_tables()[SALES])))
        if kept is None or facts.record is None:
            return
        Counts.totals += 1
        with closing(EmbeddedEngine(self.shop.tables)) as engine:
            tables = {name: engine.table(name, at) for name, at in facts.record.sources.items()}
            now = current_shop()
            how = orders.Compared(
                now.not_sold, currencies_of(now), now.unconverted, lambda rows: rows
            )
            found = orders.compared(tables, how)
        assert {name: Decimal(kept[name]) for name in orders.TOTALS} == {
            name: found[name] for name in orders.TOTALS
        }

    def _published(self) -> dict[str, int | None]:
        """The published snapshot by table."""
        return {name: history_of(self.shop.tables, name).snapshot_id for name in self.made}

    def _record(self, dates: tuple[str, str], selection: dict[str, frozenset[str]]) -> None:
        for name in self._usable(selection)["bronze"]:
            for day in _days(*dates):
                self.bronze[name, day.isoformat()] = self.oracle.bronze(
                    self.shop.landing, name, [day]
                )

    def _bronze_rows(self, usable: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
        """What each bronze table must hold: the deliveries as they were when last materialized."""
        return {
            name: [row for (table, _), rows in self.bronze.items() if table == name for row in rows]
            for name in usable["bronze"]
        }


class HistoriesOfShops(Histories):
    """The same of shops whose files are drawn, and change in the middle of a history."""

    def opened(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.written = written(self.pick)
        self.worlds = ShopWorlds(self.shop, WORLDS, sources=self.written)
        self.given = ExitStack()
        self.change(None)

    def source(self, table: str) -> str:
        return SOURCES[TABLES.index(table) % len(SOURCES)]

    def changes_now(self) -> bool:
        return self.pick.random() < 0.4

    def change(self, table: str | None) -> None:
        """Write another shop file for the same sources."""
        text = shop_file(self.written, self.pick)
        note(text)
        self.given.close()
        self.given.enter_context(using(ShopFile("drawn.toml", text)))
        self.oracle = OracleOfShop(text)
        Counts.shops += 1


def _refusals(error: PipelineError) -> dict[str, str]:
    """Why by table that a blocking check kept from being published; any other failure is raised."""
    refusals = dict(line.split(": ", 1) for line in str(error).splitlines())
    if not all(REFUSED.match(reason) for reason in refusals.values()):
        raise error
    return refusals


def _days(first: str, last: str) -> list[date]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def test_any_history_equals_the_oracle(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    _run_histories(Histories, pytestconfig, capsys)


@pytest.mark.slow
def test_any_history_of_any_shop_equals_the_oracle(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    _run_histories(HistoriesOfShops, pytestconfig, capsys)


def _run_histories(
    kind: type[Histories],
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    profile = pytestconfig.getoption("hypothesis_profile") or "default"
    for name in [name for name in vars(Counts) if not name.startswith("_")]:
        setattr(Counts, name, 0)
    try:
        run_state_machine_as_test(kind, settings=settings.get_profile(profile))
    finally:
        with capsys.disabled():
            print(
                f"\n{Counts.sequences} sequences of {WORLDS} worlds: {Counts.deliveries} deliveries, "
                f"{Counts.runs} runs, {Counts.kills} killed, {Counts.races} at the same time, "
                f"{Counts.compared} tables and {Counts.totals} totals compared, "
                f"{Counts.refused} rightly refused, {Counts.shops} shop files"
            )
    assert Counts.kills or Counts.races


def test_the_oracle_sees_a_difference(shop: Shop) -> None:
    """What keeps the test above from passing forever."""
    shop.deliver_one_of_each()
    shop.run_all()
    assert differences(shop.lakehouse, ["gold.daily_revenue"], {}) == {}
    shop.deliver("orders", {"status": "cancelled", "updated_at": "2024-01-02"}, day="2024-01-02")
    shop.run("bronze", "orders", "2024-01-02")
    assert "silver.orders" in differences(shop.lakehouse, ["silver.orders"], {})
    with pytest.raises(PipelineError):
        shop.run("gold", "no_table")
