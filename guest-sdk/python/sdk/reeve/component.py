"""What a component exports: a class a hook, made of the functions in policy.py. The build names this module; policies don't."""

from __future__ import annotations

from typing import Any, Callable

from componentize_py_types import Err
from wit_world import exports

import policy

from . import contract
from .hooks import HOOKS, Failed, Hook, answer


def _method(name: str, hook: Hook) -> Callable[..., Any]:
    function = getattr(policy, name, hook.ordinary)
    if function is None:
        raise SystemExit(f"policy.toml names the hook '{hook.name}', but policy.py has no function {name}")

    def ask(self: Any, *question: Any) -> Any:
        try:
            return answer(name, function, *question)
        except Failed as failed:
            raise Err(contract.Failure(str(failed))) from None

    return ask


for _exported in {hook.exported for hook in HOOKS.values()}:
    if hasattr(exports, _exported):
        _methods = {hook.method: _method(name, hook) for name, hook in HOOKS.items() if hook.exported == _exported}
        globals()[_exported] = type(_exported, (getattr(exports, _exported),), _methods)
