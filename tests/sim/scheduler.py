"""One thread, many actors: who goes on next is drawn from the seed, at every touch of the world.

Actors are greenlets that run the real code. Wherever that code would wait for something
outside of its process (the store, SQL, another thread) it comes here, and may be crashed.
"""

import random
from collections.abc import Callable

from greenlet import getcurrent, greenlet

__all__ = ["Actor", "Crash", "Scheduler"]


class Crash(BaseException):
    """This actor's process was killed; whatever it still tries does not happen."""


class Actor(greenlet):
    """One thread of one process."""

    def __init__(self, run: Callable[[], None], name: str, process: object) -> None:
        super().__init__(run)
        self.name = name
        self.kind = name.rstrip("0123456789@")
        # Whether it moved HEAD and its index does not stand there yet.
        self.swapped = False
        self.process = process
        self.crashed = False
        self.priority = 0.0


class Scheduler:
    """Draws who goes on. `calm` means that nothing crashes any more."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._hub = getcurrent()
        # Half of the schedules draw at each step; in the others the same one goes on until a few drawn
        # moments, which finds what needs one actor to be slow while others do a lot.
        self._sticky = rng.choice((None, None, 0.0, 0.5, 0.9))
        self._turns = {rng.randrange(300) for _ in range(rng.randrange(1, 6))}
        self.actors: list[Actor] = []
        self.trace: list[str] = []
        # What happened at the same time as what, and what was lost: the coincidences worth a schedule.
        self.seen: set[str] = set()
        self.calm = False
        self.steps = 0

    def spawn(self, name: str, run: Callable[[], None], process: object = None) -> None:
        """Let somebody begin, sooner or later."""

        def whole() -> None:
            try:
                run()
            except Crash:
                self.note("is gone")

        actor = Actor(whole, name, process)
        actor.priority = self._rng.random()
        self.actors.append(actor)

    def note(self, what: str) -> None:
        """Write down what the current actor does."""
        current = getcurrent()
        self.trace.append(f"{current.name if isinstance(current, Actor) else 'world'}: {what}")

    def meet(self, what: str) -> None:
        """Note who was under way when the current actor did this."""
        current = getcurrent()
        if isinstance(current, Actor):
            self.seen.add(f"{current.kind} {what}")
            others = {actor.kind for actor in self.actors if actor and actor is not current}
            self.seen.update(f"{current.kind} {what} during {kind}" for kind in others)

    def pause(self, seconds: float = 0.0) -> None:
        """Let others go on; raises Crash when this actor was killed meanwhile."""
        current = getcurrent()
        if not isinstance(current, Actor):
            return
        if not current.crashed:
            self._hub.switch()
        if current.crashed:
            raise Crash

    def wait(self) -> None:
        """Let others go on first: this actor cannot before one of them has."""
        current = getcurrent()
        if isinstance(current, Actor):
            current.priority = -self.steps
        self.pause()

    def dawdle(self) -> None:
        """Take so long that others get through with a lot."""
        for _ in range(self._rng.randrange(60)):
            self.wait()

    def crash(self, process: object) -> None:
        """Kill every thread of a process; they notice when it would be their turn."""
        for actor in self.actors:
            if actor.process is process:
                actor.crashed = True
                if actor:
                    self.seen.add(f"{actor.kind} crashes")
                    if actor.swapped and actor.kind == "land":
                        self.seen.add("land crashes between swap and catch-up")

    def run(self, between: Callable[[], None], most: int = 20_000) -> None:
        """Let everybody finish; `between` is what else may happen at each step."""
        current: Actor | None = None
        while self.actors:
            self.steps += 1
            if self.steps > most:
                raise AssertionError(f"nobody finishes: {[actor.name for actor in self.actors]}")
            current = self._next(current)
            current.switch()
            if current.dead:
                self.actors.remove(current)
            between()

    def _next(self, current: Actor | None) -> Actor:
        if self._sticky is not None:
            if current is None or current.dead or self._rng.random() >= self._sticky:
                return self._rng.choice(self.actors)
            return current
        if self.steps in self._turns and current is not None:
            current.priority = -self.steps
        return max(self.actors, key=lambda actor: actor.priority)

    def stop(self) -> None:
        """Let nobody survive this schedule: what is left over would go on in another one."""
        while self.actors:
            actor = self.actors.pop()
            actor.crashed = True
            while actor and not actor.dead:
                actor.switch()
