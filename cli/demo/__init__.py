"""The parts of `sluice demo`: its client of the API, its data, and what it shows. `cli.commands.demo` joins them."""
