"""The page of the last run of all benchmarks is what its JSON says."""

import json
from pathlib import Path

from benchmarks import report

RESULTS = Path(__file__).parents[2] / "benchmarks/results.json"


def test_the_page_of_results_is_made_of_the_results() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == report.as_markdown(results)
