"""One process of each kind, to be lost and put back; every method leaves the house whole."""

import os
import signal
import threading

from tests.chaos.site import Site, children_of
from tests.worker.conftest import Process


class House:
    """API, worker and sweep of a site, ready.

    Args:
        site: where they run.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._start()

    def lose_a_pool_child(self) -> None:
        os.kill(children_of(self.worker.popen.pid)[0], signal.SIGKILL)

    def lose_the_worker(self) -> None:
        self.worker.kill()
        self.worker = self._site.worker()

    def lose_sweep(self) -> None:
        self.sweep.kill()
        self.sweep = self._site.sweep()

    def lose_the_api(self) -> None:
        self.web.kill()
        self.web = self._site.web()

    def lose_the_api_master(self) -> None:
        self.web.kill_alone()
        self.web = self._site.web()

    def lose_the_worker_master(self) -> None:
        self.worker.kill_alone()
        self.worker = self._site.worker()

    def lose_all(self) -> None:
        for process in self.processes:
            process.kill()
        self._start()

    def replace_the_worker(self) -> None:
        old, self.worker = self.worker, self._site.worker()
        old.terminate()

    def replace_the_api(self) -> None:
        self.web.terminate()
        self.web = self._site.web()

    def freeze_the_worker(self, seconds: float) -> None:
        group = self.worker.popen.pid
        os.killpg(group, signal.SIGSTOP)
        threading.Event().wait(seconds)
        os.killpg(group, signal.SIGCONT)

    @property
    def processes(self) -> list[Process]:
        return [self.web, self.worker, self.sweep]

    def _start(self) -> None:
        self.web, self.worker, self.sweep = self._site.web(), self._site.worker(until_ready=False), self._site.sweep()
        self.worker.until_line("ready.")
