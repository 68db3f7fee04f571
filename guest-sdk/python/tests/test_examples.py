"""The examples, run natively."""

import importlib.util
import pathlib
import unittest

import reeve
from reeve import Code, HostError, add_device, allow, deny, migration, rewrite, set_disk_cache, testing
from reeve.contract import Balloon, Commitment, Info, Memory, MigrationPlan
from reeve.testing import CouldNotDecide, ask, disk, domain

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
MIB = 1 << 20
GIB = 1 << 30


def example(name):
    spec = importlib.util.spec_from_file_location(f"{name}_policy", EXAMPLES / name / "policy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Naming(unittest.TestCase):
    hook = staticmethod(example("naming").domain_define)

    def test_only_what_is_left_open_is_filled_in(self):
        disks = [
            disk(),
            disk(target="vdb", cache="writeback"),
            disk(target="vdc", readonly=True),
            disk(target="sda", device="cdrom", source=None),
        ]
        expected = rewrite([set_disk_cache("vda", "none"), add_device("<memballoon model='virtio'/>")])
        self.assertEqual(ask(self.hook, domain(disks=disks, rng_count=1)), expected)

    def test_a_complete_definition_stays_as_it_is(self):
        whole = domain(disks=[disk(cache="none")], balloon=Balloon("virtio", None), rng_count=1)
        self.assertEqual(ask(self.hook, whole), allow())

    def test_names_follow_the_house(self):
        config = {"prefixes": ["web-", "db-"], "balloon": False, "rng": False}
        self.assertEqual(ask(self.hook, domain(name="web-1"), config=config), allow())
        said = deny("the name 'shop' must begin with one of: web-, db-")
        self.assertEqual(ask(self.hook, domain(name="shop"), config=config), said)

    def test_a_key_nobody_knows_is_a_failure_that_names_it(self):
        answer = ask(self.hook, domain(), config={"prefix": "web-"})
        self.assertEqual(
            answer.message,
            "the policy's configuration is not valid: unknown field `prefix`, "
            "expected one of `prefixes`, `cache`, `balloon`, `rng`",
        )


def ready(cpus=4, total=16 * GIB, swap=0, memory=0, vcpus=0):
    testing.host(
        node_host={
            "get_info": lambda: Info("host", cpus, total, 1),
            "get_memory": lambda: Memory(total, total, total, 0, 0, swap, swap),
        },
        domain_domains={"committed": lambda _: Commitment(0, memory, vcpus)},
    )


class Admission(unittest.TestCase):
    hook = staticmethod(example("admission").domain_prepare)

    def start(self, config=None, **values):
        return ask(self.hook, domain(**{"memory": GIB, **values}), config=config)

    def test_a_domain_may_not_have_more_vcpus_than_the_host_has_cpus(self):
        ready()
        self.assertEqual(self.start(vcpus=5), deny("it has 5 vCPUs and the host only 4 CPUs"))
        self.assertEqual(self.start({"guest-within-cpus": False}, vcpus=5), allow())

    def test_ten_vcpus_per_cpu_and_not_one_more(self):
        ready(vcpus=38)
        self.assertEqual(self.start(vcpus=2), allow())
        said = "the active domains would have 41 vCPUs and this host allows 40"
        self.assertEqual(self.start(vcpus=3), deny(said))

    def test_memory_is_counted_with_reserve_swap_and_ratio(self):
        # 16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB.
        ready(memory=20 * GIB)
        self.assertEqual(self.start(), allow())
        said = "the active domains would have 21505 MiB of memory and this host allows 21504 MiB"
        self.assertEqual(self.start(memory=GIB + MIB), deny(said))
        ready(memory=20 * GIB, swap=8 * GIB)
        self.assertEqual(self.start(memory=8 * GIB), allow())

    def test_an_error_of_the_host_is_a_failure(self):
        def refuse():
            raise HostError(Code.DENIED, "not granted")

        testing.host(node_host={"get_info": refuse})
        self.assertEqual(self.start(), CouldNotDecide("the host answered: not granted"))


class PreCopy(unittest.TestCase):
    policy = example("migration-precopy")

    def test_it_plans_within_the_operators_limit(self):
        def plan(**config):
            of = [testing.capabilities(), testing.limits(max_downtime_us=300_000), testing.journey()]
            return ask(self.policy.migration_plan, *of, config=config)

        self.assertEqual(plan(), MigrationPlan(300_000, False, 1))
        self.assertEqual(plan(**{"downtime-ms": 50, "compress": True}), MigrationPlan(50_000, False, 1))
        self.assertEqual(plan(**{"downtime-ms": 5000}), MigrationPlan(300_000, False, 1))
        self.assertIsInstance(plan(downtime=50), CouldNotDecide)

    def test_it_ends_when_the_rest_fits_and_gives_up_when_it_never_will(self):
        def after(*dirty, **config):
            rounds = [
                testing.round(dirty_pages=pages, expected_downtime_us=pages * 100, max_downtime_us=50_000) for pages in dirty
            ]
            return ask(self.policy.migration_step, testing.progress(rounds), config=config)

        self.assertEqual(after(), migration.go_on())
        self.assertEqual(after(501), migration.go_on())
        self.assertEqual(after(5000, 500), migration.stop_and_copy())
        stuck = [5000, 5000, 5000]
        self.assertEqual(after(*stuck), migration.go_on())
        self.assertEqual(after(*stuck, **{"give-up-after": 3}), migration.go_on())
        said = "2 rounds brought nothing: the guest writes as fast as it is sent"
        self.assertEqual(after(*stuck, **{"give-up-after": 2}), migration.abort(said))


if __name__ == "__main__":
    unittest.main()
