#!/usr/bin/env python3
"""Opens report.html files in a headless Chromium and uses them as a reader would.

    browser.py REPORT.html... [--pictures DIR]

Checks: no console message, no request but for the file itself, the filter, zoom, lanes and the keyboard work, and the page is
ready within a second. With --pictures the page is also photographed: light, dark, narrow, and as it is printed (PDF).
Needs the Debian packages chromium and chromium-driver; without them it says so and ends well. Speaks WebDriver over
HTTP on the loopback, with nothing but the standard library.
"""

import argparse
import base64
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

READY_MS = 1000
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-dev-shm-usage", "--window-size=1280,1000"]


class Browser:
    """One WebDriver session."""

    def __init__(self, port, more=()):
        self.base = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        wanted = {"browserName": "chrome",
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                  "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": [*ARGUMENTS, *more]}}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{answer['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with self.opener.open(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def log(self, kind):
        return self.call("POST", "/se/log", {"type": kind})

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def keys(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def size(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def dark(self, dark):
        scheme = "dark" if dark else "light"
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.call("DELETE", "")


VISIBLE = "return [...document.querySelectorAll('.line')].filter((e) => e.getClientRects().length > 0).length"
FILTER = """const box = document.querySelector('#filter'); box.value = arguments[0];
box.dispatchEvent(new Event('input', {bubbles: true})); return document.querySelector('#shown').textContent"""
PLACES = "return [...document.querySelectorAll('#chart .mv')].map((e) => e.getAttribute('x') || e.getAttribute('transform') || e.getAttribute('cx')).join()"
CLICK = "document.querySelector(arguments[0]).click()"
FOCUS = "return document.activeElement.outerHTML.slice(0, 90)"
TIMES = "const t = performance.getEntriesByType('navigation')[0]; return [t.domInteractive, t.loadEventEnd]"


def check(browser, page):
    """Everything that is wrong with a page."""
    wrong = []
    expect = lambda good, what: None if good else wrong.append(what)
    browser.log("browser"), browser.log("performance")
    url = page.resolve().as_uri()
    # The best of three: what is measured is the page, not what else the machine is doing.
    times = []
    for _ in range(3):
        browser.open(url)
        times.append(browser.run(TIMES))
    interactive, loaded = min(times, key=lambda t: t[1])
    expect(loaded <= READY_MS, f"ready after {loaded:.0f} ms")

    before = browser.run(VISIBLE)
    expect(before > 0, "no line is visible")
    browser.run(FILTER, "no such text anywhere")
    expect(browser.run(VISIBLE) == 0, "the filter hides nothing")
    word = browser.run("return (document.querySelector('.line').textContent.match(/[A-Za-z0-9]{4,}/) || [''])[0]")
    said = browser.run(FILTER, word)
    found = browser.run(VISIBLE)
    expect(0 < found <= before and str(found) in said, f"the filter for {word!r} shows {found} and says {said!r}")
    browser.run(FILTER, "")
    expect(browser.run(VISIBLE) == before, "the filter does not give lines back")

    if browser.run("return !!document.querySelector('#chart')"):
        browser.run(CLICK, "#chart-tools [data-do=whole]")
        places = browser.run(PLACES)
        browser.run(CLICK, "#chart-tools [data-do=in]")
        near = browser.run(PLACES)
        expect(near != places, "zooming in moves nothing")
        browser.run(CLICK, "#chart-tools [data-do=later]")
        expect(browser.run(PLACES) != near, "going on moves nothing")
        browser.run(CLICK, "#chart-tools [data-do=whole]")
        expect(browser.run(PLACES) == places, "the whole time is not as it was")
        browser.run(CLICK, "#chart-tools input")
        expect(browser.run("return document.querySelector('.lane').hasAttribute('hidden')"), "a lane can't be hidden")
        browser.run(CLICK, "#chart-tools input")
        if browser.run("return !!document.querySelector('a.to-mark')"):
            browser.run(CLICK, "a.to-mark")
            expect(browser.run("return document.querySelectorAll('.aim').length") == 2, "a time does not lead to its mark")

    browser.open(url)
    browser.keys("\ue004")
    expect("skip" in browser.run(FOCUS), f"the first stop of the keyboard is {browser.run(FOCUS)}")
    browser.keys("\ue007")
    expect("verdict" in browser.run(FOCUS), f"skipping leads to {browser.run(FOCUS)}")
    stops = []
    for _ in range(12):
        browser.keys("\ue004")
        stops.append(browser.run(FOCUS))
    expect(len(set(stops)) > 3, f"the keyboard is caught in {set(stops)}")

    unnamed = browser.run("""return [...document.querySelectorAll('button, input, svg[role=img], a, section')].filter((e) =>
        !(e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || (e.labels && e.labels.length))).length""")
    expect(unnamed == 0, f"{unnamed} elements have no name for a screen reader")
    for entry in browser.log("browser"):
        wrong.append(f"console: {entry['level']} {entry['message']}")
    for entry in browser.log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked = message["params"]["request"]["url"]
            expect(asked.split("#")[0] == url or asked.startswith("data:"), f"asks for {asked}")
    return wrong, interactive, loaded


def photograph(browser, page, folder):
    name = page.resolve().parent.name + "-" + page.stem
    browser.open(page.resolve().as_uri())
    browser.dark(False)
    for kind, width, dark in (("light", 1280, False), ("dark", 1280, True), ("narrow", 390, False)):
        browser.size(width, 1000)
        browser.dark(dark)
        browser.picture(folder / f"{name}-{kind}.png")
        if kind == "narrow":
            over = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 0:
                print(f"{name}: {over} pixels too wide at {width}")
    browser.dark(False)
    printed = browser.devtools("Page.printToPDF", printBackground=False)
    (folder / f"{name}-print.pdf").write_bytes(base64.b64decode(printed["data"]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path)
    arguments = parser.parse_args()
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        print(f"skipped: no {' and no '.join(missing)} here")
        return 0
    port = free_port()
    failed = False
    with tempfile.TemporaryDirectory() as work:
        driver = subprocess.Popen(["chromedriver", f"--port={port}", "--allowed-ips=127.0.0.1"], cwd=work,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for attempt in range(100):
                try:
                    browser = Browser(port, [f"--user-data-dir={work}/profile"])
                    break
                except OSError:
                    if attempt == 99:
                        raise
                    time.sleep(0.2)
            # The first page pays for starting the renderer.
            browser.open("about:blank")
            for page in arguments.pages:
                wrong, interactive, loaded = check(browser, page)
                failed |= bool(wrong)
                print(f"{page}: interactive {interactive:.0f} ms, loaded {loaded:.0f} ms, "
                      + ("; ".join(wrong) if wrong else "all good"))
                if arguments.pictures:
                    arguments.pictures.mkdir(parents=True, exist_ok=True)
                    photograph(browser, page, arguments.pictures)
            browser.close()
        finally:
            driver.terminate()
            driver.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
