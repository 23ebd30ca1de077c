"""A headless Chromium, driven over its own protocol, with a window for each user."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import websocket

from until import BUSY, until


class Browser:
    """One process; each page has cookies of its own, as another person's browser has."""

    def __init__(self):
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, (
            "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None)
        if not program:
            pytest.skip("no Chromium on this machine")
        self.profile = tempfile.mkdtemp(prefix="landfall-e2e-browser-")
        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             # It asks nobody but the chat for anything.
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--remote-debugging-port=0", "--remote-allow-origins=*",
             f"--user-data-dir={self.profile}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.ids, self.socket = itertools.count(1), None
        try:
            note = Path(self.profile) / "DevToolsActivePort"
            port, path = until(lambda: note.exists() and len(it := note.read_text().split()) == 2 and it,
                               30, what="the browser is there")
            self.socket = websocket.create_connection(
                f"ws://127.0.0.1:{port}{path}", timeout=60 * BUSY)
        except BaseException:
            self.end()
            raise

    def call(self, method, session=None, **parameters):
        number = next(self.ids)
        asked = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(asked | ({"sessionId": session} if session else {})))
        while True:
            told = json.loads(self.socket.recv())
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def perhaps(self, method, session, **parameters):
        """The same, where a page that is on its way has no answer."""
        try:
            return self.call(method, session, **parameters)
        except AssertionError:
            return {}

    def open(self, url, width=480, height=420):
        return Page(self, url, width, height)

    def end(self):
        if self.socket:
            self.socket.close()
        self.process.terminate()
        self.process.wait()
        # Its children still write there for a moment.
        until(lambda: shutil.rmtree(self.profile, ignore_errors=True) or not os.path.exists(self.profile),
              what="the browser's folder is gone")


class Page:
    def __init__(self, browser, url, width, height):
        self.browser = browser
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", width=width, height=height,
                              browserContextId=context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        until(lambda: self.loads(url), 60, what=f"{url} is loaded whole")

    def loads(self, url):
        """Goes there; false if it failed, as a browser gives up whenever an interface of the machine
        comes or goes, which a region's do."""
        if "errorText" in self.browser.call("Page.navigate", self.session, url=url):
            return False
        until(lambda: self.evaluate("document.readyState + location.protocol")
              in ("completehttp:", "completefile:", "completechrome-error:"), 60, what="an end of loading")
        return self.evaluate("[...document.scripts].every((it) => !it.src || window.io)"
                             " && location.protocol != 'chrome-error:'")

    def evaluate(self, expression):
        told = self.browser.perhaps("Runtime.evaluate", self.session, expression=expression,
                                    returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told.get("result", {}).get("value")

    def text(self):
        return self.evaluate("document.body ? document.body.innerText : ''") or ""

    def say(self, text):
        self.evaluate(f"document.getElementById('text').value = {json.dumps(text)};"
                      "document.forms[0].requestSubmit()")

    def screenshot(self):
        told = self.browser.call("Page.captureScreenshot", self.session, format="png")
        return base64.b64decode(told["data"])
