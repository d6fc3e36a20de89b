"""`recog bench` and `recog demo`. Commands load when they are called."""

from __future__ import annotations

import click

from benchmarks.cli.demo import demo
from recog.cli.lazy import Command, LazyGroup

COMMANDS = {
    "Benchmarks": {
        "verify": Command("benchmarks.cli.verify:verify", "Same person or not, on a list of pairs."),
        "identify": Command("benchmarks.cli.identify:identify", "Who is it, and refuse strangers."),
        "openset": Command("benchmarks.cli.openset:openset", "Misses and false alarms by gallery size."),
        "quality": Command("benchmarks.cli.quality:quality", "Does refusing poor photos lower misses?"),
        "augment": Command("benchmarks.cli.augment:augment", "What synthetic faces do to recognition."),
        "enrich": Command("benchmarks.cli.enrich:enrich", "What made-up templates add to galleries."),
        "generate": Command("benchmarks.cli.generate:generate", "How good made-up faces are."),
        "edit": Command("benchmarks.cli.generate:edit", "Who is recognised on edited and anonymized photos."),
        "repair": Command("benchmarks.cli.repair:repair", "What damage costs, and what repair gives back."),
        "throughput": Command(
            "benchmarks.cli.throughput:throughput", "How many faces an hour networks learn from."
        ),
        "techniques": Command(
            "benchmarks.cli.techniques:techniques", "What each way of training a generator is worth."
        ),
        "judges": Command("benchmarks.cli.generate:judges", "Train the judges of made-up faces."),
        "halves": Command("benchmarks.cli.generate:halves", "Who may learn to make faces, and who to judge."),
        "backbones": Command("benchmarks.cli.backbones:backbones", "Which backbone learns most in short."),
        "speed": Command("benchmarks.cli.speed:speed", "How long embedding a face takes."),
        "search": Command("benchmarks.cli.search:search", "How quickly large galleries answer, and rightly."),
        "report": Command("benchmarks.cli.report:report", "Render measured rows as tables and plots."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def bench() -> None:
    """Measure recognition, and what synthesis does to it.

    Results are rows, one measurement a line, appended to OUT/<bench>.jsonl.

    \b
    Example:
      recog bench verify --images lfw/images --pairs lfw/pairs.txt
      recog bench report
    """


__all__ = ["bench", "demo"]
