"""The short soak: as `make soak`, for some seconds and with fewer people."""

from tests.soak.soaking import Plan, soak


def test_what_was_acknowledged_survives_the_killing_of_every_process(tmp_path):
    plan = Plan(
        seconds=14, agents=6, watchers=10, kill_every=2, think=0.3, patience=5, program="tests.soak.program"
    )
    outcome = soak(tmp_path / "data", plan)

    assert outcome.wrong == []
    assert set(outcome.killer.killed) == {"web", "grpc", "worker"}
    assert len(outcome.ledger.landed) > plan.agents and outcome.watchers.reconnects, str(outcome)
