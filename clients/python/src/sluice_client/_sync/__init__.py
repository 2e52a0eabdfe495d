"""Made by make_sync.py of _async/__init__.py: change that file, then `make client`."""
