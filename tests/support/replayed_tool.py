"""A program that says what Terraform has said, and does what it is told to have done."""

import json
import sys
from pathlib import Path

STREAMS = Path(__file__).parents[1] / "kinds" / "infrastructure" / "streams"
STATE = {
    "version": 4,
    "resources": [{"mode": "managed", "instances": [{}, {}, {}]}],
    "outputs": {
        "address": {"value": "10.0.0.1", "type": "string"},
        "told": {"value": "it is correct-horse", "type": "string"},
        "password": {"value": "correct-horse", "type": "string", "sensitive": True},
    },
}
PROGRAM = """#!{python}
import json, os, sys, time
from pathlib import Path
here = Path({here!r})
files = {{p.name: [p.read_text(), oct(p.stat().st_mode & 0o777)] for p in Path().glob("*.json")}}
configuration = Path(os.environ["TF_CLI_CONFIG_FILE"]).read_text()
backend = json.loads(files["outlast_override.tf.json"][0])["terraform"]["backend"]["local"]
state = Path(backend["path"])
call = dict(arguments=sys.argv[1:], environment=dict(os.environ), files=files,
            configuration=configuration, state=state.read_text() if state.exists() else None)
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
if sys.argv[1] == "init":
    sys.stderr.write((here / "complaint").read_text())
    sys.exit(int((here / "init-code").read_text()))
time.sleep(float((here / "seconds").read_text()))
for line in (here / "stream").read_text().splitlines():
    print(line, flush=True)
new = (here / "state").read_text()
if new and sys.argv[1] == "apply":
    state.write_text(new)
sys.exit(int((here / "code").read_text()))
"""


class ReplayedTool:
    """The program, in a folder of its own, and what it was called with."""

    def __init__(self, folder):
        self._folder = folder
        self.program = folder / "tofu"
        self.program.write_text(PROGRAM.format(python=sys.executable, here=str(folder)))
        self.program.chmod(0o755)
        self.says()

    def says(self, stream="created", *, code=0, state=STATE, init_code=0, complaint="", seconds=0):
        told = (STREAMS / f"{stream}.jsonl").read_text()
        state = state if isinstance(state, str) else json.dumps(state)
        for name, text in (
            *(("stream", told), ("code", code), ("state", state), ("seconds", seconds)),
            *(("init-code", init_code), ("complaint", complaint)),
        ):
            (self._folder / name).write_text(str(text))

    @property
    def calls(self):
        return [json.loads(line) for line in (self._folder / "calls").read_text().splitlines()]
