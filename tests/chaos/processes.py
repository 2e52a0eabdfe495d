"""One process of each kind; every method ends one or more of them and starts them again."""

import os
import signal
import threading

from tests.chaos.deployment import Deployment, children_of
from tests.support.processes import Process


class Processes:
    """Web process, worker and sweeper of a deployment, ready.

    Args:
        deployment: starts them.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._start()

    def lose_a_pool_child(self) -> None:
        os.kill(children_of(self.worker.forked.pid)[0], signal.SIGKILL)

    def lose_the_worker(self) -> None:
        self.worker.kill()
        self.worker = self._deployment.worker()

    def lose_sweep(self) -> None:
        self.sweep.kill()
        self.sweep = self._deployment.sweep()

    def lose_the_api(self) -> None:
        self.web.kill()
        self.web = self._deployment.web()

    def lose_the_api_master(self) -> None:
        self.web.kill_alone()
        self.web = self._deployment.web()

    def lose_the_worker_master(self) -> None:
        self.worker.kill_alone()
        self.worker = self._deployment.worker()

    def lose_all(self) -> None:
        for process in self.all:
            process.kill()
        self._start()

    def replace_the_worker(self) -> None:
        old, self.worker = self.worker, self._deployment.worker()
        old.terminate()

    def replace_the_api(self) -> None:
        self.web.terminate()
        self.web = self._deployment.web()

    def freeze_the_worker(self, seconds: float) -> None:
        group = self.worker.forked.pid
        os.killpg(group, signal.SIGSTOP)
        threading.Event().wait(seconds)
        os.killpg(group, signal.SIGCONT)

    @property
    def all(self) -> list[Process]:
        return [self.web, self.worker, self.sweep]

    def _start(self) -> None:
        self.web, self.worker, self.sweep = (
            self._deployment.web(),
            self._deployment.worker(until_ready=False),
            self._deployment.sweep(),
        )
        self.worker.until_line("ready.")
