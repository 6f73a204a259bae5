"""The few addresses of the Hugging Face Hub by which a folder is pushed and fetched, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = r"/api/models/(?P<name>[\w.-]+/[\w.-]+)"


@dataclass
class StandIn:
    """What the server holds, and what it was asked.

    repositories: name -> commit -> path -> content, the newest commit last; sizes: path -> what it claims to be long
    created: what was asked for with each new repository; served: paths whose content went out; tokens: that were sent
    """

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    endpoint: str = ""

    def put(self, name: str, files: dict[str, bytes]) -> str:
        """A new commit of these files beside those that are there; returns its name."""
        commits = self.repositories.setdefault(name, {})
        before = list(commits.values())[-1] if commits else {}
        oid = hashlib.sha1(f"{name} {len(commits)}".encode()).hexdigest()
        commits[oid] = {**before, **files}
        return oid

    def commit(self, name: str, revision: str) -> str | None:
        commits = self.repositories[name]
        return list(commits)[-1] if revision == "main" else revision if revision in commits else None

    def size(self, path: str, content: bytes) -> int:
        return self.sizes.get(path, len(content))


@contextmanager
def serving() -> Iterator[StandIn]:
    """A server on a free port, until the block ends."""
    stand_in = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"held": stand_in}))
    stand_in.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    held: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.held.created.append(asked)
            known = name in self.held.repositories
            self.held.repositories.setdefault(name, {})
            return self._json({"url": f"{self.held.endpoint}/{name}", "name": name}, 409 if known else 200)
        if self.path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if re.fullmatch(MODEL + "/preupload/main", self.path.partition("?")[0]):
            paths = [each["path"] for each in json.loads(body)["files"]]
            return self._json(
                {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}
            )
        if found := re.fullmatch(MODEL + "/commit/main", self.path.partition("?")[0]):
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.held.tokens.add(self.headers.get("Authorization"))
            oid = self.held.put(found["name"], {each["path"]: base64.b64decode(each["content"]) for each in files})
            return self._json({"commitUrl": f"{self.held.endpoint}/{found['name']}/commit/{oid}", "commitOid": oid})
        return self._json({}, 404)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := re.fullmatch(MODEL + r"(/revision/(?P<revision>[^/]+))?", path):
            if (commit := self._commit(found["name"], found["revision"] or "main")) is not None:
                self._json({"id": found["name"], "sha": commit, "siblings": []})
        elif found := re.fullmatch(MODEL + r"/tree/(?P<revision>[^/]+)", path):
            if (commit := self._commit(found["name"], found["revision"])) is not None:
                files = self.held.repositories[found["name"]][commit]
                self._json(
                    [
                        {"type": "file", "path": name, "oid": _oid(content), "size": self.held.size(name, content)}
                        for name, content in files.items()
                    ]
                )
        else:
            self._file(path, with_content=True)

    def do_HEAD(self) -> None:
        self._file(self.path.partition("?")[0], with_content=False)

    def _file(self, path: str, with_content: bool) -> None:
        found = re.fullmatch(r"/(?P<name>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", path)
        if found is None:
            return self._json({}, 404)
        commit = self._commit(found["name"], found["revision"])
        if commit is None:
            return None
        content = self.held.repositories[found["name"]][commit].get(found["path"])
        if content is None:
            return self._json({}, 404, "EntryNotFound")
        self.send_response(200)
        self.send_header("ETag", f'"{_oid(content)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(self.held.size(found["path"], content)))
        self.end_headers()
        if with_content:
            self.held.served.append(found["path"])
            self.wfile.write(content)
        return None

    def _commit(self, name: str, revision: str) -> str | None:
        """The commit of a revision; where there is none, the Hub's answer is sent."""
        if name not in self.held.repositories:
            self._json({"error": "Repository not found"}, 404, "RepoNotFound")
            return None
        commit = self.held.commit(name, revision)
        if commit is None:
            self._json({"error": f"Invalid rev id: {revision}"}, 404, "RevisionNotFound")
        return commit

    def _json(self, value: Any, status: int = 200, code: str = "") -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
