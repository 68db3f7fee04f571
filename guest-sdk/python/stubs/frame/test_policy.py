"""`python3 test_policy.py` runs these natively."""

import sys
import unittest

sys.path.insert(0, "sdk")

from reeve.hooks import HOOKS

import policy


class Hooks(unittest.TestCase):
    def test_the_policy_answers_its_hooks(self) -> None:
        self.assertTrue([name for name in HOOKS if hasattr(policy, name)])


unittest.main()
