from pathlib import Path

import msgspec
import pytest

from outlast.testing.goldens import (
    check_golden,
    golden_files,
    golden_name,
    read_golden,
    request_of,
)

FOLDER = Path(__file__).parent / "datarobot"


@pytest.mark.parametrize("path", golden_files(FOLDER), ids=golden_name)
async def test_the_answer_is_the_golden_one(world, path):
    golden = read_golden(path)
    await world.prepare(golden.given)
    answer = await world.ask(msgspec.to_builtins(request_of(golden)))
    check_golden(path, golden, answer.status_code, answer.headers, answer.content)
