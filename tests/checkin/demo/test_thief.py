"""A thief's copies, made while the services run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checkin.demo.thief import copy_databases
from checkin.deployment.deployment import SERVICES
from checkin.files.durable import replace_file


def test_a_service_that_writes_at_this_moment_is_copied_all_the_same(tmp_path: Path) -> None:
    """Each half second it writes down the time, first under another name, which may be gone before it is copied."""
    files = [tmp_path / service / "data" / "clock.json" for service in SERVICES]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"{}")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for file in files:
                replace_file(file, b"{}")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for number in range(300):
                copies = tmp_path / f"copies {number}"
                copy_databases(tmp_path, copies)
                assert all((copies / service / "clock.json").read_bytes() == b"{}" for service in SERVICES)
        finally:
            stop.set()
        writing.result()


def test_a_draft_that_a_crash_left_behind_is_stolen_like_everything(tmp_path: Path) -> None:
    """Or what is looked for in the copies would not be looked for in it."""
    for service in SERVICES:
        (tmp_path / service / "data" / "drafts").mkdir(parents=True)
        (tmp_path / service / "data" / "drafts" / "left").write_bytes(b"left")
        (tmp_path / service / "data" / ".outbox.new").write_bytes(b"half")
    copy_databases(tmp_path, tmp_path / "copies")
    for service in SERVICES:
        assert (tmp_path / "copies" / service / "drafts" / "left").read_bytes() == b"left"
        assert (tmp_path / "copies" / service / ".outbox.new").read_bytes() == b"half"
