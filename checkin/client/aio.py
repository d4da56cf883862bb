"""The calls of `checkin.client` for asyncio: each runs in a thread of its own, for it waits for the disk as well as for
the network. One that is cancelled is not waited for, and still comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from checkin import client

P = ParamSpec("P")
R = TypeVar("R")


def _in_thread(call: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    @wraps(call)
    async def later(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(call, *args, **kwargs)

    return later


register = _in_thread(client.register)
confirm = _in_thread(client.confirm)
present = _in_thread(client.present)
enrol = _in_thread(client.enrol)
scan = _in_thread(client.scan)
upload = _in_thread(client.upload)
verify_audit = _in_thread(client.verify_audit)
