"""A stub of every hook, each a policy that answers it."""

import pathlib
import types
import unittest

from reeve import Change, CloneRequest, Cloned, DaemonChange, DomainChange, DomainEvent, NetworkEvent, Rules, State
from reeve import StorageChange, StorageEvent, allow, contract, testing
from reeve.hooks import HOOKS

STUBS = pathlib.Path(__file__).parent.parent / "stubs"
FRAME = (STUBS / "frame" / "policy.py").read_text()

QUESTIONS = {
    "domain_events": [DomainEvent(1, "", "web-1", DomainChange.STARTED, State.RUNNING, "booted")],
    "daemon_events": [DaemonChange.STARTED],
    "mac_allocate": [None, 0, ["52:54:00:00:00:07"], 7],
    "ksm_tune": [None],
    "task": [contract.Occasion_Manual([])],
    "domain_stop": [testing.domain(), True],
    "migrate_out": [testing.domain(), testing.journey()],
    "migrate_in": [testing.domain(), testing.journey()],
    "migration_plan": [testing.capabilities(compression=True), testing.limits(), testing.journey()],
    "migration_step": [testing.progress([testing.round(expected_downtime_us=1)])],
    "device_attach": [testing.domain(), "<disk/>"],
    "device_detach": [testing.domain(), "<disk/>"],
    "network_start": [testing.network(), "<network/>"],
    "network_stop": [testing.network()],
    "port_plug": [testing.domain(), testing.port()],
    "network_events": [NetworkEvent("", "blue", Change.STARTED, "")],
    "filter_generate": [testing.subject(), [testing.filter()]],
    "pool_start": [testing.pool(), "<pool/>"],
    "volume_create": [testing.pool(), testing.plan()],
    "volume_resize": [testing.pool(), testing.volume(), 7],
    "volume_delete": [testing.pool(), testing.volume()],
    "storage_events": [StorageEvent("", "lab", StorageChange.LOW_SPACE, "7")],
    "clone_name": [CloneRequest(Cloned.VOLUME, "disk", "lab", ["disk-1"])],
}
ANSWERS = {
    "domain_events": None,
    "daemon_events": None,
    "mac_allocate": "52:54:00:00:00:08",
    "ksm_tune": [],
    "task": "nothing done, asked by Occasion_Manual(value=[])",
    "network_events": None,
    "storage_events": None,
    "migration_plan": contract.MigrationPlan(300_000, True, 1),
    "migration_step": contract.Step_StopAndCopy(),
    "clone_name": "disk-2",
    "volume_create": contract.VolumeVerdict_Allow(),
    "filter_generate": Rules([], [], []),
}


class Stubs(unittest.TestCase):
    def test_there_is_a_stub_of_every_hook(self):
        self.assertEqual({path.stem for path in STUBS.glob("*.py")}, {hook.name for hook in HOOKS.values()})

    def test_each_is_a_policy_that_answers_it(self):
        for name, hook in HOOKS.items():
            with self.subTest(name):
                stub = (STUBS / f"{hook.name}.py").read_text()
                policy = types.ModuleType("policy")
                exec(FRAME.replace("__stubs__", stub), policy.__dict__)
                if hook.ordinary and not hasattr(policy, name):
                    continue
                answer = testing.ask(getattr(policy, name), *QUESTIONS.get(name, [testing.domain()]))
                self.assertEqual(answer, ANSWERS[name] if name in ANSWERS else allow())


if __name__ == "__main__":
    unittest.main()
