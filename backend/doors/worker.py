"""The worker: durable jobs and timers, the only process that launches DBOS.

Facts become workflows under the id of fact and subscriber; each has one step, retried with
growing pauses. DBOS keeps them in `jobs.db` beside the data (one worker) or in its own schema
of the PostgreSQL database (several workers).

Several workers tell by a lock who lives: each holds one under its name, made anew at every start,
before it takes its first job. Whoever gets the lock of another name knows that worker to be gone
and puts what it left back into the queue. So no job waits for a machine that may never return.

Jobs of a node wait in a queue of its own and are never handed to another; what waited for a node
that stays away is dropped after `KEPT`.
"""

import json
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID, StepOptions
from sqlalchemy.exc import SQLAlchemyError

from backend.core import jobs
from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.errors import Kind, MicelioError
from backend.core.events import FactRow
from backend.core.node import node_name
from vcs.objects import new_id

# The same for every release: with a version made from the code, an upgrade would strand waiting jobs.
APPLICATION_VERSION = "1"
RELAY_SECONDS = 1.0
POLL_SECONDS = 0.25
UNHURRIED = ("archive", "git", "imports", "index", "maintenance", "mirrors")
UNHURRIED_SECONDS = 1.0
"""A second matters little to what is in these queues, and looking into one each quarter second takes 1 to 2 %
of a core.
"""
TAKE_OVER_SECONDS = 5.0
PARALLEL_JOBS = 4
KEPT = timedelta(days=7)
FORGET_SECONDS = 3600.0
UNFINISHED = ("ENQUEUED", "PENDING")
OVER = ("SUCCESS", "ENQUEUED", "ERROR")
"""What goes when it is old; of the last two only jobs of nodes do, which are asked for again while due."""
WORTH_RETRYING = (Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.CORRUPT)

logger = logging.getLogger(__name__)


class Worker:
    """One running worker; `close` lets go within three seconds and loses nothing."""

    def __init__(self, forge: Forge) -> None:
        """Launch DBOS and start working on what waits."""
        self._forge = forge
        self._stop = threading.Event()
        # With SQLite there is one worker, which takes up what it left when it starts again.
        self._name = "local" if forge.db.is_sqlite else new_id()
        self._alive = ExitStack()
        self._alive.enter_context(forge.db.lock(_lock_of(self._name)))
        dbos = DBOS(config=_dbos_config(forge.settings, self._name))
        self._react = DBOS.workflow(name="react")(_reaction(forge))
        node = node_name(forge)
        self._queues = sorted({each.queue_on(node) for each in jobs.subscribers().values()})
        # Otherwise it would look into every queue there is, those of other nodes too.
        DBOS.listen_queues(self._queues)
        DBOS.launch()
        for queue in self._queues:
            _register(queue)
        # Jobs of an earlier version may wait in a queue that has another name by now.
        known = [queue.name for queue in DBOS.list_queues()]
        dbos._listening_queues = [*self._queues, *(name for name in known if jobs.AT not in name)]
        forge.part(jobs.Hands, jobs.Hands).holding = _holding
        self._threads = [self._thread("relay", self._relay), self._thread("forget", self._forget)]
        self._threads += [self._thread(t.name, self._beat(t)) for t in jobs.timers().values()]
        if not forge.db.is_sqlite:
            self._threads.append(self._thread("take over", self._take_over))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        stop.wait()
        self.close()

    def close(self) -> None:
        """Take no more facts, let running jobs end for a moment; DBOS takes up the others next time."""
        self._stop.set()
        self._forge.bell.ring("facts")
        for thread in self._threads:
            thread.join(timeout=1)
        DBOS.destroy(workflow_completion_timeout_sec=2)
        self._alive.close()

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        return thread

    def _relay(self) -> None:
        with self._forge.bell.listen("facts") as ear:
            while not self._stop.is_set():
                try:
                    while jobs.relay(self._forge, self._enqueue) and not self._stop.is_set():
                        pass
                except (MicelioError, SQLAlchemyError):
                    logger.exception("facts could not be relayed; they wait")
                ear.wait_blocking(RELAY_SECONDS)

    def _enqueue(self, subscriber: jobs.Subscriber, row: FactRow) -> None:
        queue = jobs.queue_of(subscriber, row)
        with SetWorkflowID(jobs.job_id(subscriber, row.id)):
            DBOS.enqueue_workflow(queue, self._react, subscriber.name, row.id, json.dumps(row.body))
        if queue not in self._queues:
            # Another node's: it may have been empty for so long that somebody dropped it.
            _register(queue)

    def _beat(self, timer: jobs.Timer) -> Callable[[], None]:
        def beat() -> None:
            # At once as well: what a crash left behind is settled by the start that follows it.
            while not self._stop.is_set():
                try:
                    jobs.run_timer(self._forge, timer)
                except Exception:
                    # The edge of the process: the bug is in the log and the next beat still comes.
                    logger.exception("timer %s failed", timer.name)
                self._stop.wait(timer.seconds)

        return beat

    def _take_over(self) -> None:
        while not self._stop.is_set():
            try:
                self._take_over_once()
            except (MicelioError, SQLAlchemyError):
                logger.exception("jobs of workers that are gone could not be looked for; they wait")
            self._stop.wait(TAKE_OVER_SECONDS)

    def _take_over_once(self) -> None:
        running = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        for name in sorted({job.executor_id for job in running if job.executor_id} - {self._name}):
            with self._forge.db.try_lock(_lock_of(name)) as gone:
                if gone:
                    # Only what that name still has: whoever came first has given the jobs another.
                    taken = DBOS._recover_pending_workflows([name])
                    logger.warning(
                        "worker %s is gone; %d of its jobs are back in their queues", name, len(taken)
                    )

    def _forget(self) -> None:
        while not self._stop.is_set():
            try:
                self._forget_once()
            except (MicelioError, SQLAlchemyError):
                logger.exception("jobs that are over could not be forgotten; they stay another hour")
            self._stop.wait(FORGET_SECONDS)

    def _forget_once(self) -> None:
        before = self._forge.clock() - KEPT
        jobs.forget_relayed(self._forge, before=before)
        found = DBOS.list_workflows(
            status=list(OVER), end_time=before.isoformat(), load_input=False, load_output=False
        )
        DBOS.delete_workflows(
            [job.workflow_id for job in found if job.status == "SUCCESS" or jobs.AT in (job.queue_name or "")]
        )
        # Nodes come and go. Looking once more afterwards finds what was handed over meanwhile.
        for queue in (each.name for each in DBOS.list_queues()):
            if jobs.AT in queue and queue not in self._queues and not _holding(queue):
                DBOS.delete_queue(queue)
                if _holding(queue):
                    _register(queue)


def _register(queue: str) -> None:
    DBOS.register_queue(
        queue,
        worker_concurrency=1 if jobs.AT in queue else PARALLEL_JOBS,
        polling_interval_sec=UNHURRIED_SECONDS if queue.partition(jobs.AT)[0] in UNHURRIED else POLL_SECONDS,
        on_conflict="always_update",
    )


def _holding(queue: str) -> list[dict[str, Any]]:
    """Bodies of the facts in a queue whose jobs have not ended."""
    held = DBOS.list_workflows(queue_name=queue, status=list(UNFINISHED), load_output=False)
    return [json.loads(job.input["args"][2]) for job in held if job.input]


def _reaction(forge: Forge) -> Callable[[str, str, str], None]:
    """The one workflow: a subscriber's reaction to a fact. Its name and arguments are kept in rows."""

    def react(name: str, fact_id: str, body: str) -> None:
        subscriber = jobs.subscribers().get(name)
        if subscriber is None:
            logger.warning("nobody is called %s any more; fact %s is dropped", name, fact_id)
            return
        options: StepOptions = {
            "name": name,
            "retries_allowed": subscriber.attempts > 1,
            "max_attempts": subscriber.attempts,
            "should_retry": _worth_retrying,
        }
        try:
            DBOS.run_step(options, jobs.run_subscriber, forge, subscriber, fact_id, json.loads(body))
        except Exception as error:
            # The edge of the process: whatever it is ends this job and is in the log.
            _note_failure(forge, name, fact_id, error)
            raise

    return react


def _note_failure(forge: Forge, name: str, fact_id: str, error: Exception) -> None:
    # Of several attempts DBOS counts how many there were, and keeps what each of them met.
    met: list[Exception] = getattr(error, "errors", None) or [error]
    last = met[-1]
    sentence = str(last) if isinstance(last, MicelioError) else f"{type(last).__name__}: {last}"
    try:
        jobs.note_failure(forge, name, fact_id, sentence)
    except (MicelioError, SQLAlchemyError):
        logger.exception("that job %s failed is in the log only", name)


def _worth_retrying(error: BaseException) -> bool:
    return not isinstance(error, MicelioError) or error.kind in WORTH_RETRYING


def _lock_of(worker: str) -> str:
    return f"worker:{worker}"


def _dbos_config(settings: Settings, name: str) -> DBOSConfig:
    jobs_file = settings.data / "jobs.db"
    return {
        "name": "micelio",
        "executor_id": name,
        "system_database_url": f"sqlite:///{jobs_file}" if settings.sqlite_path else settings.database_url,
        "application_version": APPLICATION_VERSION,
        "console_log_level": "WARNING",
        "enable_otlp": False,
        "max_executor_threads": 16,
    }
