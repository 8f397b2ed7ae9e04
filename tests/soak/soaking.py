"""A soak: a served forge, agents, watchers and a killer for some time, then the verdict as a table."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from backend.core.config import Settings
from tests.bench.figures import percentile
from tests.bench.stage import Served
from tests.soak.agents import Agent, Ledger
from tests.soak.arranging import arranged
from tests.soak.doors import RestDoor, RpcDoor
from tests.soak.judging import Verdict, judge
from tests.soak.killing import Killer, memory, slope
from tests.soak.watching import Watchers

LAST_EVENTS_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """How large a soak is. `think` is an agent's mean pause between moves, in seconds."""

    seconds: float = 600
    agents: int = 30
    watchers: int = 50
    kill_every: float = 8
    think: float = 1.5
    patience: float = 90
    """How long an agent goes on asking after the time is over."""
    seed: int = 1
    program: str = "micelio_app"


@dataclass
class Outcome:
    """What a soak found, and the figures of the way there."""

    plan: Plan
    ledger: Ledger
    watchers: Watchers
    killer: Killer
    verdict: Verdict
    memory: int

    @property
    def wrong(self) -> list[str]:
        """Why this soak failed; empty when it did not."""
        broken = [f"{name} was not started again" for name in self.killer.not_restarted]
        return [*self.verdict.wrong, *broken, *self.ledger.unexplained]

    def __str__(self) -> str:
        ledger, verdict, killer = self.ledger, self.verdict, self.killer
        kills = ", ".join(f"{name} {count}" for name, count in sorted(Counter(killer.killed).items()))
        lines = [
            ("agents, watchers", f"{self.plan.agents}, {self.plan.watchers}"),
            ("time", f"{self.plan.seconds:.0f} s"),
            ("killed and started again", kills),
            ("landings acknowledged", len(ledger.landed)),
            ("landings refused, with the reason", len(ledger.refused) - len(ledger.unexplained)),
            ("landings lost", len(verdict.lost)),
            ("landings doubled", len(verdict.doubled)),
            (
                "landings without an answer",
                f"{verdict.unanswered}, {verdict.unanswered_landed} of them landed",
            ),
            ("asked again", len(ledger.asked_again)),
            ("landing p50", f"{_at(ledger.seconds, 50):.0f} ms"),
            ("landing p95, from first asking to answer", f"{_at(ledger.seconds, 95):.0f} ms"),
            ("events acknowledged", sum(map(len, ledger.told.values()))),
            ("events that reached watchers", len(self.watchers.delays)),
            ("events lost", len(verdict.events_lost)),
            ("events doubled", len(verdict.events_doubled)),
            ("event to watcher p50", f"{_at(self.watchers.delays, 50):.0f} ms"),
            ("event to watcher p95, cuts included", f"{_at(self.watchers.delays, 95):.0f} ms"),
            ("streams opened again", self.watchers.reconnects),
            ("memory at the end (PSS)", f"{self.memory / (1 << 20):.0f} MB"),
            ("memory slope", f"{slope(killer.samples) / (1 << 20):+.2f} MB/min"),
            ("doctor", f"{len(verdict.faults)} faults" if verdict.faults else "everything is in order"),
        ]
        return "\n".join(f"{name:<42} {value}" for name, value in lines)


def soak(folder: Path, plan: Plan) -> Outcome:
    """Run it. A failure of ours raises; what the forge did wrong is in the outcome."""
    generous = {f"RATE_LIMIT_{who}": "65000" for who in ("ANONYMOUS", "ACCOUNT")}
    served = Served(folder, program=plan.program, SECRET_KEY_BASE="not a secret", **generous)
    ledger, stop, stop_killing = Ledger(), threading.Event(), threading.Event()
    try:
        served.start()
        token = arranged(Settings.from_environ(served.environment))
        doors = (lambda: RestDoor(served.port, token), lambda: RpcDoor(served.grpc_port, token))
        agents = [
            Agent(number, doors[number % 2], ledger, stop, plan.think, plan.patience)
            for number in range(plan.agents)
        ]
        watchers = Watchers(plan.watchers, served.port, token, ledger, plan.agents)
        killer = Killer(served.pid, plan.kill_every, plan.seed, stop_killing)
        threads: list[threading.Thread] = [*agents, watchers, killer]
        for thread in threads:
            thread.start()
        _work(agents, plan.seconds)
        stop_killing.set()
        killer.join()
        stop.set()
        for agent in agents:
            agent.join()
        watchers.finish(LAST_EVENTS_SECONDS)
        weight = memory(served.pid)
    finally:
        stop.set()
        stop_killing.set()
        served.stop()
    for agent in agents:
        if agent.failed is not None:
            ledger.unexplained.append(f"{agent.name} broke off: {agent.failed!r}")
    verdict = judge(served.environment, ledger, watchers.seen)
    return Outcome(plan, ledger, watchers, killer, verdict, weight)


def _work(agents: list[Agent], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and all(agent.failed is None for agent in agents):
        time.sleep(0.2)


def _at(seconds: list[float], percent: int) -> float:
    return 1000 * percentile(seconds, percent) if len(seconds) > 1 else 0.0
