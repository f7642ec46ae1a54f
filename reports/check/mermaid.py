#!/usr/bin/env python3
"""Draws the Mermaid diagrams of markdown reports with the real Mermaid, in a headless Chromium.

    mermaid.py REPORT.md... [--mermaid DIR]

Each diagram has to parse, be drawn, and show exactly the participants and sentences that its lines stand for: no text of a case
may become an arrow, a note or a directive of its own. DIR is where `npm install mermaid` was run; without it, or
without chromium and chromium-driver, the script says so and ends well.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from browser import Browser, free_port

PAGE = """<!DOCTYPE html><meta charset=utf-8><script src="{source}"></script><div id=out></div>"""
DRAW = """const done = arguments[arguments.length - 1]; (async () => {
    mermaid.initialize({startOnLoad: false, securityLevel: 'strict'});
    const parsed = await mermaid.parse(arguments[0]);
    const {svg} = await mermaid.render('d' + arguments[1], arguments[0]);
    document.querySelector('#out').innerHTML = svg;
    const all = (what) => [...document.querySelectorAll('#out ' + what)].map((e) => e.textContent);
    done({kind: parsed.diagramType, messages: all('.messageText'), notes: all('.noteText'), parties: all('text.actor'),
          scripts: document.querySelectorAll('#out script, #out iframe, #out img, #out a').length});
})().catch((error) => done({error: String(error)}));"""
LINE = re.compile(r"    (?:participant P\d+ as (?P<party>.*)|Note over P\d+: (?P<note>.*)|P\d+-(?:>>|x)P\d+: (?P<message>.*))$")


def diagrams(path):
    return re.findall(r"^```mermaid\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S)


def tight(text):
    """Text without blanks, of which layout may add or take some."""
    return re.sub(r"\s+", "", text)


def plain(text):
    """What a line stands for: with the characters whose codes Mermaid turns back."""
    return tight(re.sub(r"#(\d+);", lambda code: chr(int(code[1])), text))


def expected(text):
    lines = text.splitlines()
    assert lines[0] == "sequenceDiagram", lines[0]
    found = {"party": [], "note": [], "message": []}
    for line in lines[1:]:
        match = LINE.match(line)
        assert match, f"no line of ours: {line!r}"
        found[match.lastgroup].append(plain(match[match.lastgroup]))
    return found


def draw(browser, text, number):
    got = browser.call("POST", "/execute/async", {"script": DRAW, "args": [text, number]})
    if "error" in got:
        return [got["error"]]
    want, wrong = expected(text), []
    if got["kind"] != "sequence":
        wrong.append(f"drawn as {got['kind']}")
    if got["scripts"]:
        wrong.append(f"{got['scripts']} active elements")
    for kind, drawn in (("note", got["notes"]), ("message", got["messages"])):
        # A long note is drawn in several lines.
        if "".join(map(tight, drawn)) != "".join(want[kind]):
            wrong.append(f"{kind}s differ: {drawn} for {want[kind]}")
    # Each participant is drawn at the top and at the bottom.
    if sorted("".join(sorted(map(tight, got["parties"])))) != sorted("".join(want["party"] * 2)):
        wrong.append(f"participants differ: {got['parties']} for {want['party']}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    parser.add_argument("--mermaid", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    library = arguments.mermaid / "node_modules/mermaid/dist/mermaid.min.js"
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    missing += [] if library.exists() else [f"mermaid (npm install --prefix {arguments.mermaid} mermaid)"]
    if missing:
        print(f"skipped: no {' and no '.join(missing)} here")
        return 0
    port, failed = free_port(), 0
    with tempfile.TemporaryDirectory() as work:
        page = pathlib.Path(work) / "page.html"
        page.write_text(PAGE.format(source=library.resolve().as_uri()))
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
            browser.open(page.as_uri())
            # A diagram has to be refused, or the check could not fail.
            assert draw(browser, "sequenceDiagram\n    P0->>: x ->> y\n    end\n", 0), "nonsense was drawn"
            number = 0
            for report in arguments.reports:
                for text in diagrams(report):
                    number += 1
                    for problem in draw(browser, text, number):
                        failed += 1
                        print(f"{report}: {problem}")
            print(f"{number} diagrams of {len(arguments.reports)} reports drawn, {failed} with trouble")
            browser.close()
        finally:
            driver.terminate()
            driver.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
