"""tests/chaos/mutants.py takes minutes; that it would still find what it takes out is told in none."""

from pathlib import Path

from tests.chaos.mutants import MUTANTS, stale

ROOT = Path(__file__).parents[2]


def test_what_the_mutants_take_out_and_who_must_notice_is_there() -> None:
    assert list(stale()) == []


def test_a_mutant_that_no_longer_fits_is_told_by_its_name_and_file(tmp_path: Path) -> None:
    for mutant in MUTANTS:
        for file in [*(file for file, _, _ in mutant.changes), *(test.partition("::")[0] for test in mutant.tests)]:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text((ROOT / file).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "worker/sweep.py").write_text("", encoding="utf-8")
    assert [told.partition(":")[0] for told in stale(tmp_path)] == ["sweep"]
