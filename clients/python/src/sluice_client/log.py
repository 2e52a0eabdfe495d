"""The logger of this package: retries and counts of errors, and never a key, an item or the text of an answer."""

import logging

LOG = logging.getLogger("sluice_client")
