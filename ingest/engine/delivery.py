"""The ends of a delivery."""

from enum import Enum, auto


class Delivery(Enum):
    """The end of a delivery.

    Attributes:
        DONE: the job has ended, or was paused.
        HELD: another worker holds its block, or has just closed it.
        YIELDED: the job was put down, and any worker may go on with it.
        NOTHING: there was no job to claim.
        TROUBLE: the database was lost, or made it wait, too often. The sweeper notifies again.
        UNREADABLE: this process has not the master key of its items. The sweeper notifies again, until one has.
    """

    DONE = auto()
    HELD = auto()
    YIELDED = auto()
    NOTHING = auto()
    TROUBLE = auto()
    UNREADABLE = auto()
