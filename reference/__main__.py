"""Write all pages that are made of the source into docs/reference."""

from pathlib import Path

from reference import PAGES

for name, make in PAGES.items():
    (Path(__file__).parents[1] / "docs" / "reference" / f"{name}.md").write_text(make(), encoding="utf-8")
