"""How well the local embedding model finds the answers to questions that people asked.

The questions are the headings of the frequently asked questions of Python's documentation that end
with a question mark, and what should be found for each is the section below its heading, without
the heading. Among the sections of the same pages and of the tutorial, cut into chunks, an
evaluation looks for them: what is told is how often one of the first chunks is of that section.

    apt-get download python3.11-doc && dpkg -x python3.11-doc_*.deb docs
    .venv-heavy/bin/python bench/retrieval.py docs/usr/share/doc/python3.11/html/_sources
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from chats_for_tests import PARROT, TwoModels, blueprint
from lake import ANN, a_lake
from vectors import keep_rows

from outlast.resources.playgrounds.model import Retrieval

HEADING = re.compile(r"^(?P<title>\S.*)\n(?P<line>([=\-*~^])\3{2,})$", re.MULTILINE)
DEPTHS = (1, 5, 10)


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """The headings of a page, and the text below each."""
    text = path.read_text()
    found = list(HEADING.finditer(text))
    for number, heading in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        body = text[heading.end() : end].strip().strip("=-*").strip()
        if body:
            yield heading["title"].strip(), body


def corpus(sources: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The documents, and the questions with the document that answers each."""
    documents, questions = [], []
    for folder in ("faq", "tutorial"):
        for path in sorted((sources / folder).glob("*.rst.txt")):
            for number, (title, body) in enumerate(sections(path)):
                name = f"{folder}/{path.name.removesuffix('.rst.txt')}#{number}"
                documents.append({"document": body, "document_file_path": name})
                if folder == "faq" and title.endswith("?"):
                    questions.append({"question": title, "source": name})
    return documents, questions


async def measure(sources: Path) -> None:
    documents, questions = corpus(sources)
    with TwoModels() as double, tempfile.TemporaryDirectory() as folder:
        async with a_lake(Path(folder), backends=double.backends()) as lake:
            await keep_rows(lake, "pages", documents, ANN)
            await keep_rows(lake, "questions", questions, ANN)
            await lake.work()
            built = await built_of(lake)
            print(f"{len(questions)} questions; {built['documents']} sections,", end=" ")
            print(f"{built['chunks']} chunks, {built['embedding_model']}")
            for depth in DEPTHS:
                print(f"hit rate @{depth}: {await hit_rate(lake, built, depth):.3f}")


async def built_of(lake: Any) -> dict[str, Any]:
    operation = await lake.submit("build_vector_database", name="pages", dataset="pages")
    began = time.perf_counter()
    result = await result_of(lake, operation)
    print(f"embedded in {time.perf_counter() - began:.0f} s")
    return result


async def hit_rate(lake: Any, built: dict[str, Any], depth: int) -> float:
    made = await blueprint(
        lake,
        llm=PARROT,
        vector_database=built["vector_database"],
        retrieval=Retrieval(chunks=depth),
    )
    operation = await lake.submit(
        "evaluate_chat",
        dataset="questions",
        columns={"question": "question", "source": "source"},
        llm_blueprints=[made.id],
    )
    [measured] = (await result_of(lake, operation))["blueprints"]
    return float(measured["measures"]["retrieval_hit_rate"])


async def result_of(lake: Any, operation: Any) -> dict[str, Any]:
    while not operation.state.is_terminal:
        operation = await lake.ended(operation)
    assert operation.state == "succeeded", operation.failure
    return dict(json.loads(operation.result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path)
    asyncio.run(measure(parser.parse_args().sources))
