"""What a component exports: a class a hook, made of the functions in policy.py. The build names this module; policies don't."""

from __future__ import annotations

from typing import Any

from componentize_py_types import Err
from wit_world import exports

import policy

from . import contract
from .hooks import HOOKS, Failed, Hook, answer


def _export(name: str, hook: Hook) -> type:
    function = getattr(policy, name, None)
    if function is None:
        raise SystemExit(f"policy.toml names the hook '{name.replace('_', '-')}', but policy.py has no function {name}")

    def ask(self: Any, *question: Any) -> Any:
        try:
            return answer(name, function, *question)
        except Failed as failed:
            raise Err(contract.Failure(str(failed))) from None

    return type(hook.exported, (getattr(exports, hook.exported),), {hook.method: ask})


for _name, _hook in HOOKS.items():
    if hasattr(exports, _hook.exported):
        globals()[_hook.exported] = _export(_name, _hook)
