"""Headless Chromium through its debugging pipe: pages are opened, asked, clicked and looked at.

Nothing listens on a port, and every host name but this machine's own is unknown to the browser.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60.0
READ_BYTES = 1 << 20
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)  # fmt: skip


def chromium() -> str:
    """The browser's program; without it a test skips, in CI it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found:
        return found
    reason = "Chromium needed: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Browser:
    """A context manager: one browser with one page."""

    def __init__(self, folder: Path) -> None:
        self.events: list[dict[str, Any]] = []
        """What the browser said unasked, oldest first."""
        self._session: str | None = None
        self._loader = ""
        self._buffer = b""
        self._number = 0
        read, self._to = _high_pipe()
        self._from, write = _high_pipe()

        def third_and_fourth() -> None:
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [chromium(), *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=third_and_fourth, pass_fds=(3, 4),
        )  # fmt: skip
        os.close(read)
        os.close(write)
        target = next(
            found["targetId"]
            for found in self.send("Target.getTargets")["targetInfos"]
            if found["type"] == "page"
        )
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Page.setLifecycleEventsEnabled", enabled=True)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result; an error fails the test."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            answer = self._next(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            assert ready, f"the browser did not answer in {SECONDS:g} s"
            data = os.read(self._from, READ_BYTES)
            assert data, "the browser ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int = 1280, *, dark: bool = False) -> None:
        """Open a page at a width of that many CSS pixels and wait until it is loaded."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self._loader = self.send("Page.navigate", url=url)["loaderId"]
        until = time.monotonic() + SECONDS
        while not any(self._is_loaded(event) for event in self.events):
            self.events.append(self._next(until))

    def _is_loaded(self, event: dict[str, Any]) -> bool:
        """Whether it says that the page which was opened last is there; one before it may speak later."""
        found = event["params"]
        return (
            event["method"] == "Page.lifecycleEvent"
            and found["name"] == "load"
            and found["loaderId"] == self._loader
        )

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; promises are awaited."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until the expression is true."""
        until = time.monotonic() + SECONDS
        while not self.ask(f"Boolean({expression})"):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.02)

    def type(self, selector: str, text: str) -> None:
        """Into a field, as from a keyboard."""
        self.ask(f"document.querySelector({selector!r}).focus()")
        self.send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """A key by its name, on whatever has the focus."""
        # What a key types makes it press the button that has the focus.
        typed = {"text": "\r", "windowsVirtualKeyCode": 13} if key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **typed)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def requested(self) -> list[str]:
        """The address of each request since the page was opened."""
        self.ask("1")  # what was said before is read with it
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent" and event["params"]["loaderId"] == self._loader
        ]

    def complaints(self) -> list[str]:
        """What stands on the console, and what the page's policy refused."""
        self.ask("1")
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends are no 3 or 4, which the browser's own are."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return high
