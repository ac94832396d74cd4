"""A Milvus server to test with, the wheel milvus==2.3.5, that nobody outside this machine can reach.

    python milvus_server.py FOLDER PORT

It listens on every address and cannot be told otherwise. So it runs in a network namespace of its own, where there is
only a loopback, and 127.0.0.1:PORT leads there over a Unix socket. When it is ready, its process id is printed. A line
on standard input starts it again after it was killed; the end of standard input ends everything.
"""

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import milvus

_NEW_NETWORK, _NEW_USER = 0x4000_0000, 0x1000_0000
_SET_FLAGS, _UP = 0x8914, 1
_PIECE = 1 << 16

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def isolate() -> None:
    """Move this process into a network of its own, of a loopback alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK | (_NEW_USER if os.geteuid() else 0)):
        raise OSError(ctypes.get_errno(), "no network namespace can be made")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP))


def relay(connect: Callable[[], Awaitable[Stream]]) -> Callable[..., Awaitable[None]]:
    """Passes on what a connection sends to another, and back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, other_writer), pass_on(other_reader, writer))

    return serve


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def inside(door: Path, port: int) -> None:
    """From the Unix socket to the server."""
    serving = await asyncio.start_unix_server(relay(lambda: asyncio.open_connection("127.0.0.1", port)), door)
    await serving.serve_forever()


async def outside(door: Path, port: int) -> None:
    """From this machine's loopback to the Unix socket."""
    serving = await asyncio.start_server(relay(lambda: asyncio.open_unix_connection(door)), "127.0.0.1", port)
    await serving.serve_forever()


def run_server(folder: str, port: int) -> None:
    """Start the server, and again for every line of standard input."""
    server = milvus.MilvusServer(data_dir=folder, proxy_port=port)
    server.start()
    print(server.server_proc.pid, flush=True)
    for _ in sys.stdin:
        server.stop()
        server.start()
        print(server.server_proc.pid, flush=True)
    server.stop()


def main(folder: str, port: int) -> None:
    """Both sides; returns when the inner one has ended."""
    with tempfile.TemporaryDirectory() as place:
        door = Path(place) / "door"
        child = os.fork()
        if not child:
            isolate()
            threading.Thread(target=lambda: asyncio.run(inside(door, port)), daemon=True).start()
            run_server(folder, port)
            os._exit(0)
        threading.Thread(target=lambda: asyncio.run(outside(door, port)), daemon=True).start()
        _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
