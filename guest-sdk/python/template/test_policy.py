"""`python3 test_policy.py` runs the policy natively, no Wasm needed."""

import sys
import unittest

sys.path.insert(0, "sdk")

from reeve import allow, deny
from reeve.testing import ask, domain

import policy

MIB = 1 << 20


class Memory(unittest.TestCase):
    def test_small_domains_are_refused(self) -> None:
        self.assertEqual(ask(policy.domain_define, domain(memory=128 * MIB)), allow())
        said = deny("64 MiB of memory; at least 128 MiB are needed")
        self.assertEqual(ask(policy.domain_define, domain(memory=64 * MIB)), said)

    def test_how_small_is_up_to_the_operator(self) -> None:
        answer = ask(policy.domain_define, domain(memory=64 * MIB), config={"min-memory-mib": 32})
        self.assertEqual(answer, allow())


unittest.main()
