"""The layer between a policy and the contract."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass, field
from typing import List, Optional

import reeve
from reeve import Rules, allow, contract, deny, kv, log, networks, packets, parse_config, rewrite, rewrite_volume, testing, volumes
from reeve.testing import CouldNotDecide, ask, context, domain

PYTHON = pathlib.Path(__file__).parent.parent


def guard(function):
    """A function under the name of a guard."""
    function.__name__ = "domain_define"
    return function


@dataclass
class Settings:
    names: List[str] = field(default_factory=list)
    share: float = 0.5
    most_vcpus: Optional[int] = None
    on: bool = True


class Configuration(unittest.TestCase):
    def read(self, config):
        return parse_config(context(config), Settings)

    def refused(self, config):
        with self.assertRaises(reeve.ConfigError) as caught:
            self.read(config)
        return str(caught.exception).removeprefix("the policy's configuration is not valid: ")

    def test_every_key_has_a_default(self):
        self.assertEqual(self.read({}), Settings())
        self.assertEqual(self.read({"most-vcpus": 4, "names": ["a"]}), Settings(names=["a"], most_vcpus=4))
        self.assertEqual(self.read({"share": 1}), Settings(share=1.0))
        self.assertIsNone(self.read({"most-vcpus": None}).most_vcpus)

    def test_typos_and_other_types_are_refused(self):
        known = "expected one of `names`, `share`, `most-vcpus`, `on`"
        self.assertEqual(self.refused({"most_vcpus": 4}), f"unknown field `most_vcpus`, {known}")
        self.assertEqual(self.refused({"nmes": []}), f"unknown field `nmes`, {known}")
        self.assertEqual(self.refused({"most-vcpus": -1}), "`most-vcpus` takes a whole number, 0 or more, or null, not -1")
        self.assertEqual(self.refused({"most-vcpus": 1.0}), "`most-vcpus` takes a whole number, 0 or more, or null, not 1.0")
        self.assertEqual(self.refused({"most-vcpus": True}), "`most-vcpus` takes a whole number, 0 or more, or null, not true")
        self.assertEqual(self.refused({"names": ["a", 1]}), '`names` takes a list, each a text, not ["a",1]')
        self.assertEqual(self.refused({"on": "yes"}), '`on` takes true or false, not "yes"')
        self.assertEqual(self.refused({"share": None}), "`share` takes a number, not null")
        self.assertEqual(self.refused("[]"), "expected an object, found []")
        self.assertEqual(self.refused('{"on": true, "on": false}'), "duplicate field `on`")
        self.assertIn("Expecting", self.refused("{"))


class Hooks(unittest.TestCase):
    def test_a_guard_that_forgets_its_verdict_fails_with_a_reason(self):
        answer = ask(guard(lambda ctx, domain: None), domain())
        self.assertIn("gave no verdict; it must return allow()", answer.message)

    def test_a_mistake_in_a_policy_is_a_failure_and_in_the_log_with_its_place(self):
        testing.host()
        answer = ask(guard(lambda ctx, domain: domain.nme()), domain())
        self.assertEqual(answer, CouldNotDecide("AttributeError: a domain has no 'nme'"))
        [(level, text)] = testing.logged
        self.assertEqual(level, contract.Level.ERROR)
        self.assertIn("test_sdk.py", text)

    def test_nothing_to_rewrite_is_an_allow(self):
        self.assertEqual(rewrite([]), allow())

    def test_failures_are_told_as_they_were_raised(self):
        def decide(ctx, domain):
            raise reeve.Failure("no idea")

        self.assertEqual(ask(guard(decide), domain()), CouldNotDecide("no idea"))

    def test_only_hooks_are_asked(self):
        with self.assertRaisesRegex(TypeError, "'domain_defin' is no hook; there are domain_define"):
            def domain_defin(ctx, domain):
                return allow()

            ask(domain_defin, domain())


class Host(unittest.TestCase):
    def test_calls_go_to_the_tests_host(self):
        kept = {}
        testing.host(kv_store={"get": kept.get, "set": kept.__setitem__})
        kv.set("who", "Zoë".encode())
        self.assertEqual(kv.get("who"), "Zoë".encode())
        self.assertIsNone(kv.get("nobody"))
        log.warn("enough")
        self.assertEqual(testing.logged, [(contract.Level.WARN, "enough")])

    def test_what_the_test_did_not_make_is_an_error(self):
        testing.host()
        with self.assertRaisesRegex(RuntimeError, "the test's host has no reeve:kv/store.get"):
            kv.get("who")
        with self.assertRaisesRegex(TypeError, "the contract has no node_cpus"):
            testing.host(node_cpus={})


class Networks(unittest.TestCase):
    def test_a_guard_is_asked_about_a_port(self):
        def port_plug(ctx, domain, port):
            return allow() if port.network in [it.name for it in networks.list()] else deny(port.link)

        testing.host(network_networks={"list": lambda: [testing.network(name="blue")]})
        self.assertEqual(ask(port_plug, domain(), testing.port(network="blue")), allow())
        self.assertEqual(ask(port_plug, domain(), testing.port()), deny("tap0"))

    def test_a_filter_gives_rules(self):
        def filter_generate(ctx, interface, filters):
            own = packets.match(packets.Field.ETHER_SOURCE, packets.mac(interface.mac), negated=True)
            chain = packets.Chain("out", packets.Layer.LINK, packets.Flow.OUT, [packets.rule(packets.drop(), own)])
            return Rules([chain], [], []) if filters else None

        rules = ask(filter_generate, testing.subject(), [testing.filter()])
        self.assertEqual(rules.chains[0].rules[0].verdict, contract.RulesetVerdict_Drop())
        self.assertEqual(rules.chains[0].rules[0].matches[0].operand.value, "52:54:00:00:00:01")
        self.assertEqual(
            ask(filter_generate, testing.subject(), []),
            CouldNotDecide("the filter gave no rules; it must return Rules(chains, sets, maps)"),
        )

    def test_types_that_share_their_name_are_told_apart(self):
        self.assertIn(contract.Verdict_Deny, contract.Verdict.__args__)
        self.assertNotEqual(contract.RulesetRule, contract.TreeRule)
        self.assertEqual([case.name for case in packets.Direction], ["IN", "OUT", "INOUT"])


class Storage(unittest.TestCase):
    def test_a_guard_of_a_new_volume_denies_or_rewrites(self):
        def volume_create(ctx, pool, plan):
            if plan.name in [it.name for it in volumes.list(pool.name)]:
                return deny("it is there")
            return rewrite_volume(name="x-" + plan.name)

        testing.host(storage_volumes={"list": lambda pool: [testing.volume(name="a", pool=pool)]})
        changes = contract.VolumeChanges("x-b", None, None)
        asked = ask(volume_create, testing.pool(), testing.plan(name="b"))
        self.assertEqual(asked, contract.VolumeVerdict_Rewrite(changes))
        asked = ask(volume_create, testing.pool(), testing.plan(name="a"))
        self.assertEqual(asked, contract.VolumeVerdict_Deny("it is there"))


class Template(unittest.TestCase):
    def test_a_new_project_passes_its_own_tests(self):
        with tempfile.TemporaryDirectory() as folder:
            project = pathlib.Path(folder) / "project"
            shutil.copytree(PYTHON / "template", project)
            shutil.copytree(PYTHON / "sdk", project / "sdk")
            run = subprocess.run([sys.executable, "test_policy.py"], cwd=project, capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("Ran 2 tests", run.stderr)


if __name__ == "__main__":
    unittest.main()
