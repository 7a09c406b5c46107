"""HTTP: assets share how an API is asked; a 404 is final, a 503 is asked again."""

import asyncio
import json
import os
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import flowstone as fs
from flowstone import Client, Context, Flowstone, asset

USER = {"name": "Ada", "email": "ada@example.com"}
KNOWN = {"/users/1": USER, "/users/1/posts": ["Notes", "Looms"]}


def get(path: str) -> Any:  # whatever the JSON says
    connection = HTTPConnection(os.environ["USERS_API"], timeout=10)
    connection.request("GET", path)
    with connection.getresponse() as answer:
        if answer.status == 404:
            raise fs.Fatal("user_not_found")
        if answer.status == 503:
            raise fs.RetryAfter(fs.SECOND / 50, "the API is busy")
        return json.load(answer)


@asset(resources=["api"])
def user(ctx: Context) -> dict[str, str]:
    found: dict[str, str] = ctx.resources["api"](f"/users/{ctx.partition}")
    return found


@asset(resources=["api"], after=["user"])
def posts(ctx: Context) -> list[str]:
    found: list[str] = ctx.resources["api"](f"/users/{ctx.partition}/posts")
    return found


@asset
def summary(user: dict[str, str], posts: list[str]) -> dict[str, str | int]:
    about: dict[str, str | int] = {"user_name": user["name"], "email": user["email"]}
    return about | {"post_count": len(posts), "latest_post": posts[-1]}


app = Flowstone("http", fs.Pipeline(user, posts, summary), resources={"api": get})


class Api(BaseHTTPRequestHandler):
    """The API, for this example: it is busy when a path is asked for first."""

    asked: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        busy = self.path not in self.asked
        self.asked.add(self.path)
        self.send_response(503 if busy else 200 if self.path in KNOWN else 404)
        self.end_headers()
        self.wfile.write(json.dumps(KNOWN.get(self.path)).encode())


async def main(stone: Client) -> None:
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["USERS_API"] = f"127.0.0.1:{server.server_port}"
        found = await (await stone.materialize_all(summary, 1)).result()
        nobody = await (await stone.materialize_all(summary, 2)).wait()
        server.shutdown()
    assert list(found.values()) == ["Ada", "ada@example.com", 2, "Looms"]
    assert "user_not_found" in str(nobody.error)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
