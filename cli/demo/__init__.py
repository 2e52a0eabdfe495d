"""The parts of `sluice demo`: its data, and what it shows. `cli.commands.demo` joins them."""
