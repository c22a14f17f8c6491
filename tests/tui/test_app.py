# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top under keys and clicks, over samples that come when the test says so."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable

from textual import events
from textual.pilot import Pilot

from diag.topo.sampling import Sample
from diag.tui.widgets.table import Table
from tests.build.samples import rack, sample, steady, troubled, with_endpoint
from tests.build.top import HandApp, screen_lines, ticks

Story = Callable[[HandApp, Pilot[None]], Awaitable[None]]


def play(samples: Iterable[Sample], story: Story, size: tuple[int, int] = (160, 40)) -> None:
    """Run the application while a story is told."""

    async def run() -> None:
        app = HandApp(samples)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await story(app, pilot)

    asyncio.run(run())


def line_of(lines: list[str], word: str) -> str:
    """The first line that holds a word."""
    return next(line for line in lines if word in line)


def test_rates_are_unknown_until_there_are_two_samples() -> None:
    """The first sample has nothing to compare with: a dash, not 0; the second has rates."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        first = line_of(screen_lines(app), "ep1").split()
        second = line_of(await ticks(app, pilot), "ep1").split()
        assert first.count("—") >= 4
        assert "80.0M" in second
        assert "80.0M" not in first

    play(steady(rack(), 2), story)


def test_the_figures_of_a_group_add_up() -> None:
    """A switch shows the sum of what is below it."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        lines = await ticks(app, pilot)
        assert "120M" in line_of(lines, "card 0")
        assert "400M" in line_of(lines, "switch")

    play(steady(rack(), 2), story)


def test_folding_hides_what_is_below_and_keeps_the_sums() -> None:
    """Left folds the marked link, right unfolds it; minus and plus do it to all."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await pilot.press("down", "left")
        lines = await ticks(app, pilot)
        assert not any("ep0" in line for line in lines)
        assert "120M" in line_of(lines, "card 0")
        assert any("ep2" in line for line in lines)
        await pilot.press("right")
        assert any("ep0" in line for line in screen_lines(app))
        await pilot.press("minus")
        assert not any("card 0" in line for line in screen_lines(app))
        await pilot.press("plus")
        assert any("ep3" in line for line in screen_lines(app))

    play(steady(rack(), 2), story)


def test_sorting_lists_endpoints_with_the_unknown_ones_last() -> None:
    """Most first, the other way round, and by a click on the head; unknown is never most."""

    def order(app: HandApp) -> list[str]:
        words = (line.split() for line in app.query_one("#tree-table", Table).text_lines())
        return [word for line in words for word in line if word.startswith("ep")]

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot)
        table = app.query_one("#tree-table", Table)
        while table.sorted_by != "h2d":
            await pilot.press("s")
        assert order(app) == ["ep2", "ep1", "ep0", "ep3"]
        await pilot.press("i")
        assert order(app) == ["ep0", "ep1", "ep2", "ep3"]
        await pilot.press("t")
        assert table.sorted_by is None
        at = screen_lines(app)[2].index("H2D/s")
        await pilot.click(table, offset=(at, 0))
        assert table.sorted_by == "h2d"

    gone = rack(ep3={"state": "gone", "aer": None, "generation": None})
    play(steady(gone, 2), story)


def test_a_filter_keeps_what_is_above_and_escape_clears_it() -> None:
    """The text is looked for in every column."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"wedged", "enter")
        lines = screen_lines(app)
        assert any("ep1" in line for line in lines)
        assert any("card 0" in line for line in lines)
        assert not any("ep2" in line for line in lines)
        assert "filter: wedged" in lines[1]
        await pilot.press("escape")
        assert any("ep2" in line for line in screen_lines(app))

    play(steady(troubled(), 2), story)


def test_keys_of_one_burst_reach_the_filter() -> None:
    """As from a terminal that was slow: none of them is waited for. A slash in a text is one."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        for key, character in [("slash", "/"), *((each, each) for each in "wedged")]:
            app.post_message(events.Key(key, character))
        app.post_message(events.Key("enter", "\r"))
        await pilot.pause()
        lines = screen_lines(app)
        assert "filter: wedged" in lines[1]
        assert not any("ep2" in line for line in lines)
        for key, character in [("slash", "/"), ("slash", "/"), ("q", "q"), ("enter", "\r")]:
            app.post_message(events.Key(key, character))
        await pilot.pause()
        assert "filter: /q" in screen_lines(app)[1]
        assert app.is_running

    play(steady(troubled(), 2), story)


def test_pausing_holds_the_screen_and_samples_go_on() -> None:
    """What came meanwhile is there afterwards."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await pilot.press("space")
        lines = await ticks(app, pilot, 3)
        assert "PAUSED" in lines[0]
        assert "00:00:00" in lines[0]
        await pilot.press("space")
        lines = await ticks(app, pilot)
        assert "00:00:04" in lines[0]

    play(steady(rack(), 5), story)


def test_what_is_not_known_is_a_dash() -> None:
    """A dead endpoint has no figures at all, least of all 0."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        words = line_of(await ticks(app, pilot, 2), "ep3").split()
        assert "GONE" in words
        assert "0" not in words
        assert "0.0" not in words

    play(steady(troubled(), 3), story, (200, 40))


def test_a_source_that_falls_silent_is_said_so_and_comes_back() -> None:
    """Stale, then gone, then live again: one event each, and no figure of the past is shown."""
    made = rack()
    silent = dataclasses.replace(
        sample(2, made), state="stale", reason="rack:script: no answer for 1.0 s", readings={}
    )
    gone = dataclasses.replace(silent, state="gone", reason="No such file; see: accel-rack status")
    back = [sample(4, made), sample(5, made)]

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot)
        lines = await ticks(app, pilot)
        assert "STALE" in lines[0]
        assert "no answer for 1.0 s" in lines[0]
        assert "40.0M" not in line_of(lines, "ep0")
        lines = await ticks(app, pilot)
        assert "GONE" in lines[0]
        lines = await ticks(app, pilot, 2)
        assert "live" in lines[0]
        assert "40.0M" in line_of(lines, "ep0")
        await pilot.press("4")
        events = [line for line in screen_lines(app) if " source " in line]
        assert len(events) == 3

    play([sample(0, made), sample(1, made), silent, gone, *back], story)


def test_enter_shows_the_endpoint_in_depth_and_escape_leads_back() -> None:
    """The detail follows the marked line."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot, 3)
        await pilot.press("down", "down", "down", "enter")
        text = "\n".join(screen_lines(app))
        assert "endpoint 1" in text
        assert "an uncorrected error stopped the device" in text
        assert "card:0x00a0c00000000001/1" in text
        assert "80.0MB/s" in text
        await pilot.press("escape")
        assert app.view_name == "tree"

    play(steady(troubled(), 4), story)


def test_events_tell_what_changed() -> None:
    """A state, a reset, errors and a client, each with its subject."""
    before = rack()
    after = with_endpoint(before, 1, generation=1, client_pid=77, health="online")
    after = with_endpoint(after, 2, health="wedged", health_reason="boom")
    after = with_endpoint(after, 0, aer=dataclasses.replace(after.endpoints[0].aer,
                          correctable_count=5))  # fmt: skip

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot)
        await pilot.press("4")
        text = "\n".join(screen_lines(app))
        assert "online → wedged: boom" in text
        assert "reset (power_on): generation 0 → 1" in text
        assert "5 correctable errors, 5 since power-on" in text
        assert "pid 77 opened it" in text

    play([sample(0, before), sample(1, after)], story)


def test_links_show_both_ends_and_what_is_new() -> None:
    """Only the end that counted grew, and a slow link says so."""
    before = troubled()
    grown = dataclasses.replace(before.endpoints[0].aer, correctable_count=19)
    after = with_endpoint(before, 0, aer=grown)

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot)
        await pilot.press("3")
        lines = screen_lines(app)
        assert "19/0/0" in line_of(lines, "ep0")
        assert "+7" in line_of(lines, "ep0")
        assert "5G x8 !" in line_of(lines, "card 0")

    play([sample(0, before), sample(60, after)], story)


def test_findings_say_what_to_do_and_open_their_subject() -> None:
    """Enter on a finding shows the object that it is about."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot)
        await pilot.press("5")
        text = "\n".join(screen_lines(app))
        assert "endpoint-wedged" in text
        assert "accel-rack restart-card 1" in text
        await pilot.press("enter")
        assert app.view_name == "detail"

    play(steady(troubled(), 2), story)


def test_names_from_outside_cannot_drive_the_terminal() -> None:
    """Escape sequences and markup of a rack's or a reason's text are shown, not obeyed."""
    nasty = "\x1b[2J[bold red]x[/]"
    made = dataclasses.replace(rack(), name=nasty)
    made = with_endpoint(made, 0, health="wedged", health_reason=nasty)

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await ticks(app, pilot, 2)
        for key in "12345":
            await pilot.press(key)
            text = "\n".join(screen_lines(app))
            assert "\x1b" not in text
            assert "\\x1b[2J[bold red]x[/]" in text

    play(steady(made, 3), story)


def test_help_lists_the_keys_and_closes() -> None:
    """Question mark opens it, Escape closes it."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        assert "next line with an error" in "\n".join(await ticks(app, pilot))
        await pilot.press("escape")
        assert "LINK → DEVICE" in screen_lines(app)[2]

    play(steady(rack(), 2), story, (80, 24))


def test_the_terminal_may_be_resized_at_any_time() -> None:
    """Columns come and go; wide enough, the marked object stands beside the tree."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        for size in ((20, 5), (300, 10), (1, 1)):
            await pilot.resize_terminal(*size)
            await ticks(app, pilot)
            for key in "23451":
                await pilot.press(key)
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert "upstream port 0000:01:00.0" in "\n".join(screen_lines(app))

    play(steady(troubled("8x8"), 8), story, (80, 24))


def test_a_big_rack_scrolls_with_the_mark_in_sight() -> None:
    """The mark goes through 74 lines on 20, and the head stays."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        await pilot.press("end")
        await pilot.pause()
        lines = screen_lines(app)
        assert any("ep63" in line for line in lines)
        assert "LINK → DEVICE" in lines[2]
        await pilot.press("home")
        await pilot.pause()
        assert any("00:01.0→" in line for line in screen_lines(app))

    play(steady(rack("8x8"), 1), story, (80, 24))


def test_trouble_is_found_with_one_key() -> None:
    """F marks the next line with an error or a warning, round and round."""

    async def story(app: HandApp, pilot: Pilot[None]) -> None:
        table = app.query_one("#tree-table", Table)
        seen = []
        for _ in range(4):
            await pilot.press("f")
            seen.append(table.marked)
        assert seen[0] == seen[3]
        assert len(set(seen)) == 3

    play(steady(troubled(), 1), story)
