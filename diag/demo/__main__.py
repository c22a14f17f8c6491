# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Run the demo: `python -m diag.demo --out out/demo`."""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import pyaccel
from diag.demo.session import Check, Section, Session
from diag.terminal import accept_any_encoding, width
from diag.trace.table import wrap

HERE = Path(__file__).resolve().parent
DIGITS = Path(os.path.relpath(HERE.parent.parent / "examples/digits.py"))
ACCURACY_TOLERANCE = 0.01
"""Test images are 25 % of 1797: one hundredth is four or five of them."""
REPORT_KEY = "endpoint,opcode"
FAULTY_ENDPOINT = 2
"""The second that the example trains on: the first of the other card."""
FAULT_AFTER_COMMANDS = 200


def show_rack(session: Session, rack: str) -> Section:
    """The rack as accel-info sees it while a program holds every endpoint."""
    section = Section(
        "The rack",
        "Two cards with two endpoints each, every card with a switch of its own, behind one "
        "external switch. A program has opened every endpoint: the library derived its PCI device "
        "address and those of its peers, wrote them into it, and the endpoint agreed.",
    )
    with ExitStack() as held:
        for endpoint in pyaccel.devices(f"rack:{session.rack_dir(rack)}"):
            held.enter_context(pyaccel.open(endpoint.uri))
        section.runs.append(session.run("accel-info"))
        tree = json.loads(session.run_quietly("accel-info", "--json").output)
    endpoints = tree["endpoints"]
    states = [(endpoint["address"] or {}).get("state", "unknown") for endpoint in endpoints]
    section.checks.append(
        Check(
            "the tree shows four endpoints on two cards",
            len(endpoints) == 4 and len({e["serial"] for e in endpoints}) == 2,
            ", ".join(f"{e['bdf']} is card:{e['serial']}/{e['index']}" for e in endpoints),
        )
    )
    section.checks.append(
        Check(
            "every endpoint has its PCI device address",
            states == ["committed"] * len(endpoints),
            ", ".join(states),
        )
    )
    return section


def train(session: Session, out: Path, epochs: int) -> Section:
    """Train on two endpoints under the recorder, and compare with NumPy."""
    section = Section(
        "Training on two endpoints",
        "The handwritten digits that scikit-learn bundles; a multilayer perceptron, half of every "
        "batch on each endpoint, gradients exchanged between the endpoints. The same training in "
        "NumPy, from the same seed, tells whether the results are right.",
    )
    result = out / "digits.json"
    section.runs.append(
        session.run(
            "accel-trace", "record", "-o", str(out / "digits.axt"), "--",
            "python", str(DIGITS), "--epochs", str(epochs), "--json", str(result),
        )
    )  # fmt: skip
    told: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    ours, theirs = told["axl"]["accuracy"], told["numpy"]["accuracy"]
    section.checks.append(
        Check(
            "the accuracy is that of NumPy",
            abs(ours - theirs) <= ACCURACY_TOLERANCE and theirs > 0.9,
            f"axl {ours:.4f}, NumPy {theirs:.4f}",
        )
    )
    section.checks.append(
        Check(
            "gradients went from endpoint to endpoint",
            told["exchange"] == "peer-to-peer",
            f"exchange: {told['exchange']}, {told['axl']['commands']} commands",
        )
    )
    return section


def explain_time(session: Session, out: Path) -> Section:
    """Percentiles and the figure of the recorded training."""
    section = Section(
        "Where the time went",
        "Every command of the training, by stage: submitted, doorbell, fetched, started, "
        "finished, completed, woken.",
    )
    capture, figure = str(out / "digits.axt"), out / "latency.png"
    section.runs.append(session.run("accel-trace", "report", capture, "--by", REPORT_KEY))
    session.run("accel-trace", "plot", capture, "-o", str(figure))
    section.figures.append(figure)
    report = json.loads(session.run_quietly("accel-trace", "report", capture, "--json").output)
    commands, dropped = report["command_count"], report["loss"]["ring_dropped_count"]
    section.checks.append(
        Check(
            "no event of the trace was lost",
            dropped == 0 and commands > 0,
            f"{report['capture']['event_count']} events of {commands} commands, {dropped} dropped",
        )
    )
    return section


def break_one_command(session: Session, out: Path) -> Section:
    """Lose one completion and see that it is named."""
    section = Section(
        "A lost completion",
        "The device is told to swallow one completion. The program that waits for it must be told "
        "which endpoint, queue and command it was, and the trace must name it as well.",
    )
    capture = str(out / "fault.axt")
    section.runs.append(
        session.run(
            "accel-rack", "fault", "inject", "lost_completion",
            "--endpoint", str(FAULTY_ENDPOINT), "--set", f"after={FAULT_AFTER_COMMANDS}",
        )
    )  # fmt: skip
    broken = session.run(
        "accel-trace", "record", "-o", capture, "--",
        "python", str(DIGITS), "--epochs", "1", expect=1,
    )  # fmt: skip
    section.runs.append(broken)
    section.runs.append(
        session.run("accel-trace", "report", capture, "--by", REPORT_KEY, expect=None)
    )
    message = next((x for x in broken.output.splitlines() if "CommandLostError" in x), "")
    section.checks.append(
        Check(
            "the library names endpoint, queue and command",
            all(word in message for word in ("card:", "queue", "sequence")),
            message or "no such error",
        )
    )
    report = json.loads(session.run_quietly("accel-trace", "report", capture, "--json").output)
    suspects = report["unfinished"] + [r for r in report["failed"] if r["status"] == "lost"]
    section.checks.append(
        Check(
            "the trace names the same command",
            len(suspects) > 0 and f"sequence {suspects[0]['sequence']}:" in message,
            ", ".join(
                f"{row['endpoint']} queue {row['queue']} sequence {row['sequence']} {row['opcode']}"
                for row in suspects[:4]
            )
            or "none",
        )
    )
    return section


def recover(session: Session) -> Section:
    """The same endpoints work again after the fault."""
    section = Section(
        "After the fault",
        "The endpoint is opened again, which resets it and sets up its device address anew.",
    )
    again = session.run("python", str(DIGITS), "--epochs", "1", expect=None)
    section.runs += [again, session.run("accel-rack", "status")]
    section.checks.append(
        Check("the endpoint works again", again.status == 0, f"exit status {again.status}")
    )
    return section


def write_report(path: Path, rack: str, sections: list[Section], seconds: float) -> None:
    """Render the HTML report; it needs no other file."""
    env = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
    )
    env.filters["base64"] = lambda figure: base64.b64encode(figure.read_bytes()).decode("ascii")
    page = env.get_template("report.html.j2").render(
        rack=rack,
        sections=sections,
        seconds=seconds,
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        host=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )
    path.write_text(page, encoding="utf-8")


def tell(session: Session, out: Path, rack: str, epochs: int) -> list[Section]:
    """All chapters, with the rack up; it is down when this returns or raises."""
    session.run("accel-rack", "up", "--rack", rack)
    try:
        return [
            show_rack(session, rack),
            train(session, out, epochs),
            explain_time(session, out),
            break_one_command(session, out),
            recover(session),
        ]
    finally:
        session.run("accel-rack", "down", "--all")


def main() -> int:
    """Run the demo; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m diag.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder of the report")
    parser.add_argument("--rack", default="2x2", help="shipped rack or YAML file")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data")
    args = parser.parse_args()
    accept_any_encoding()
    args.out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    # Socket names are limited to 107 bytes, so the rack does not live below the checkout.
    with tempfile.TemporaryDirectory(prefix="axl-demo-") as runtime_dir:
        sections = tell(Session(Path(runtime_dir)), args.out, args.rack, args.epochs)
    write_report(args.out / "report.html", args.rack, sections, time.monotonic() - begin)
    checks = [check for section in sections for check in section.checks]
    print()
    for check in checks:
        verdict = "held  " if check.held else "FAILED"
        print(*wrap(f"{verdict}  {check.claim}: {check.evidence}", width(), 8), sep="\n")
    print(f"\n{args.out / 'report.html'}")
    return 0 if all(check.held for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
