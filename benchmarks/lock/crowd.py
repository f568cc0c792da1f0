"""Fifty viewers of the page of a lock, in a process of their own: ``crowd.py URL TOKEN``."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

READING, HUNG, POLLING = 40, 8, 2
PICTURE_EVERY = 8
"""Messages: as a browser, which asks for one picture in half a second."""


class Viewer:
    """Somebody who looks.

    Parameters
    ----------
    url, token : str
        Of the page.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self.n_read = 0

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=60)

    async def read(self) -> None:
        """A browser: opens the page, and reads all that comes."""
        await self._look(reads=True)

    async def hang(self) -> None:
        """One that opens the page, and never reads again."""
        await self._look(reads=False)

    async def poll(self) -> None:
        """A script that asks for the whole history without a pause."""
        async with self._client() as client:
            while True:
                await client.get("/api/history")

    async def _look(self, *, reads: bool) -> None:
        async with self._client() as client:
            html = (await client.get("/")).text
            found = re.search(r"query: (\{.*?\})", html)
            assert found, html
            query = {**ast.literal_eval(found[1]), "tab_id": uuid4(), "document_id": uuid4()}
            asked = "&".join(f"{name}={str(value).lower()}" for name, value in query.items())
            page = self._url.replace("http", "ws")
            address = f"{page}_nicegui_ws/socket.io/?EIO=4&transport=websocket&{asked}"
            async with connect(address, additional_headers=self._headers, max_size=None) as websocket:
                await websocket.recv()
                await websocket.send("40")
                if not reads:
                    websocket.transport.pause_reading()
                    await asyncio.sleep(3600)
                n = 0
                async for message in websocket:
                    n += 1
                    self.n_read += 1
                    if message == "2":
                        await websocket.send("3")
                    elif n % PICTURE_EVERY == 0:
                        await client.get("/api/image")


async def again(look: Callable[[], Awaitable[None]]) -> None:
    """One that is cut off, or comes too early, comes again."""
    while True:
        try:
            await look()
        except (OSError, EOFError, httpx.HTTPError, WebSocketException):
            await asyncio.sleep(1)


async def crowd(viewer: Viewer) -> None:
    """All of them; how many messages they read is printed every second."""
    looks = [viewer.read] * READING + [viewer.hang] * HUNG + [viewer.poll] * POLLING
    await asyncio.gather(*map(again, looks), count(viewer))


async def count(viewer: Viewer) -> None:
    """Prints how many messages were read so far, every second."""
    while True:
        await asyncio.sleep(1)
        print(viewer.n_read, flush=True)


if __name__ == "__main__":
    asyncio.run(crowd(Viewer(*sys.argv[1:3])))
