"""The tests. Hundreds of processes of the product start in them, and shall not compile its modules anew each time."""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
