"""One run of `sluice doctor`, by the names of its lines."""

import json

from click.testing import CliRunner

from cli import main


class Checkup:
    """The output of `sluice doctor --json`."""

    def __init__(self, *arguments, **environment):
        done = CliRunner().invoke(main, ["doctor", "--json", *arguments], env=environment)
        self.exit_code, self.document = done.exit_code, json.loads(done.stdout)
        self.lines = {line["name"]: line for line in self.document["checks"]}

    def __getitem__(self, name):
        return self.lines[name]["level"], self.lines[name]["found"]

    def level(self, name):
        return self.lines[name]["level"]

    def names(self, level):
        return {name for name, line in self.lines.items() if line["level"] == level}
