"""The commands of `sluice`: one file a noun. They import all else of `cli`, and nothing imports them but `cli`."""
