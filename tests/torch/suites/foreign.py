# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Suites that others wrote, run by pytest in processes of their own, judged by JUnit reports."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree as ET

import yaml

from pyaccel import testing

TEST_S: Final = 300
"""Of one test: some read a million elements one by one, and each is a round trip."""
PROCESS_S: Final = 3600
SKIPPED: Final = "skipped by itself"
STATUSES: Final = ("passed", "failed", "excluded", "fails on the CPU too", SKIPPED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test. `status`: one of STATUSES; `reason`: of all but those that passed."""

    group: str
    name: str
    status: str
    reason: str = ""


def run_pytest(arguments: Sequence[str], folder: Path, **environment: str) -> list[Outcome]:
    """Outcomes of a run in `folder`; the groups are the names of the tests' classes or modules.

    A run that ends without a report, as after a crash, is one outcome that failed.
    """
    with TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist"]
        command += ["--timeout", str(TEST_S), "--junitxml", str(report), *arguments]
        how = _run(command, folder, environment)
        if not report.exists():
            return [Outcome("", " ".join(arguments), "failed", f"no report: {how}")]
        return list(_cases(ET.parse(report).getroot()))


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    """How it ended."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=PROCESS_S,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {PROCESS_S} s"
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    return f"exit status {done.returncode}: {' '.join(last)}"


def _cases(report: ET.Element) -> Iterator[Outcome]:
    for case in report.iter("testcase"):
        status, reason = "passed", ""
        for child in case:
            if child.tag in {"failure", "error"}:
                status, reason = "failed", (child.get("message") or "").strip().split("\n")[0]
            elif child.tag == "skipped" and status == "passed":
                status, reason = SKIPPED, child.get("message") or ""
        group = case.get("classname", "").rpartition(".")[2]
        yield Outcome(group, case.get("name", ""), status, reason)


class Exclusions:
    """Which tests cannot pass, and why.

    Args:
        path: YAML, a pattern that "group.name" is searched for and the reason in each row.
    """

    def __init__(self, path: Path) -> None:
        rows: dict[str, str] = yaml.safe_load(path.read_text()) or {}
        self._rows = [(re.compile(pattern), reason) for pattern, reason in rows.items()]
        self.unused = set(rows)
        """Patterns that have excluded nothing yet."""

    def judged(self, outcome: Outcome) -> Outcome:
        """The same, or excluded if it failed and a row names it."""
        if outcome.status != "failed":
            return outcome
        name = f"{outcome.group}.{outcome.name}"
        for pattern, reason in self._rows:
            if pattern.search(name):
                self.unused.discard(pattern.pattern)
                return Outcome(outcome.group, outcome.name, "excluded", reason)
        return outcome


def page(introduction: str, found: dict[str, list[Outcome]]) -> str:
    """A page for docs/reference: counts of each part, then every test that did not pass."""
    licence = "<!-- SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only -->"
    lines = [licence, introduction, ""]
    lines.append(f"| Part | {' | '.join(each[0].upper() + each[1:] for each in STATUSES)} |")
    lines.append("|---" * (len(STATUSES) + 1) + "|")
    for part, outcomes in found.items():
        counts = (sum(each.status == status for each in outcomes) for status in STATUSES)
        lines.append(f"| {part} | {' | '.join(map(str, counts))} |")
    lines += ["", "| Test | Status | Reason |", "|---|---|---|"]
    lines += [
        f"| `{each.group}.{each.name}` | {each.status} | {_cell(each.reason)} |"
        for outcomes in found.values()
        for each in outcomes
        if each.status in {"failed", "excluded"}
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ").strip()[:200]


def main(
    doc: str,
    parts: Sequence[str],
    run: Callable[[str], list[Outcome]],
    introduction: str,
    exclusions: Exclusions,
) -> int:
    """The command line of a suite: run its parts on a rack.

    1 if a test failed, or if everything ran and an exclusion was not needed.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--part", action="append", choices=parts)
    parser.add_argument("--out", type=Path, help="write the table here")
    options = parser.parse_args()
    found: dict[str, list[Outcome]] = {}
    with testing.rack("2x2") as rack:
        os.environ["AXL_RUNTIME_DIR"] = str(rack.runtime_dir)
        for part in options.part or parts:
            found[part] = run(part)
            counts = (f"{sum(o.status == s for o in found[part])} {s}" for s in STATUSES)
            print(f"{part}: {', '.join(counts)}", flush=True)  # noqa: T201 - progress
            for each in found[part]:
                if each.status == "failed":
                    print(f"  {each.group}.{each.name}: {each.reason}", flush=True)  # noqa: T201
    if options.out:
        options.out.write_text(page(introduction, found))
    unused = set() if options.part else exclusions.unused
    for pattern in unused:
        print(f"excludes nothing: {pattern}")  # noqa: T201 - a result
    return int(
        bool(unused) or any(each.status == "failed" for all_ in found.values() for each in all_)
    )
