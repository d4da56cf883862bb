"""A deployment for phones on the same Wi-Fi: its pages over TLS at an address of this machine, under a certificate made
on the spot. Browsers give camera, keys and offline pages to `https:` alone. To try things, never for production."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from checkin.clock import Clock
from checkin.errors import AddressTaken, RequestInvalid
from checkin.files.durable import private_folder, replace_file
from checkin.protocol.primitives import sha256
from checkin.protocol.x509 import SignerCertificate, host_certificate

DAYS: Final = 90
DAY_SECONDS: Final = 86_400.0
CONNECTIONS: Final = 256  # at once, for each service
_CHUNK: Final = 65_536


def require_address(host: str) -> str:
    """The address as programs write it; raises `RequestInvalid` for a name, and for what no phone can reach."""
    with suppress(ValueError):
        address = ip_address(host)
        if not (address.is_unspecified or address.is_multicast):
            return str(address)
    raise RequestInvalid(f"{host} is no address of this machine: give the one it has in your Wi-Fi, as 192.168.0.10.")


def phone_certificate(folder: Path, address: str, clock: Clock) -> Path:
    """The file of a certificate for the address; its key lies beside it, for its owner alone. The one of before while
    it is good for a day more, so that a phone which trusts it needs no second setup."""
    home = folder / "phone"
    private_folder(home)
    certificate, now = home / f"{address.replace(':', '-')}.crt", clock.now()
    if not certificate.exists() or SignerCertificate(_der(certificate)).not_after < now + DAY_SECONDS:
        certificate.unlink(missing_ok=True)  # never one beside another's key
        made, key = host_certificate(address, now - DAY_SECONDS, now + DAYS * DAY_SECONDS)
        replace_file(_key_of(certificate), key)
        replace_file(certificate, made)
    return certificate


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the certificate, as a phone shows it."""
    return sha256(_der(certificate)).hex(":").upper()


@contextmanager
def over_tls(address: str, ports: Iterable[int], certificate: Path) -> Iterator[None]:
    """Inside it each of these ports of the loopback address is reached at `address`, too, over TLS.

    Raises `AddressTaken` for an address that is not this machine's, or a port that is in use there.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, _key_of(certificate))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers: list[asyncio.Server] = []
    try:
        for port in ports:
            forward = partial(_forward, port, asyncio.Semaphore(CONNECTIONS))
            listening = asyncio.start_server(forward, address, port, ssl=context)
            try:
                servers.append(asyncio.run_coroutine_threadsafe(listening, loop).result())
            except OSError as error:
                where = f"{address} port {port}: {error.strerror or 'it cannot be used'}"
                raise AddressTaken(f"{where}. Is it an address of this machine, and free?") from None
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(servers), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _forward(
    port: int, room: asyncio.Semaphore, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Passes the bytes of one connection on to a service and back, until either side closes it; the service closes
    those that keep it waiting."""
    writers = [writer]
    try:
        if room.locked():  # a connection that waits would keep a descriptor of ours
            return
        async with room:
            answers, asks = await asyncio.open_connection("127.0.0.1", port)
            writers.append(asks)
            pipes = [asyncio.ensure_future(_pipe(reader, asks)), asyncio.ensure_future(_pipe(answers, writer))]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
    except OSError:
        pass  # the service is away; the phone notices by the end of its connection
    finally:
        for opened in writers:
            opened.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


async def _end_all(servers: Iterable[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _key_of(certificate: Path) -> Path:
    return certificate.with_suffix(".key")


def _der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
