"""Policies and documents that are nearly right, and hostile ones; and what must hold of each.

`run` is called in a process of its own, or in a locked child: it evaluates many pairs, each in
forks as an evaluation does, and tells what broke a promise.
"""

import json
import os
import random
import socket
from importlib import resources
from pathlib import Path

import msgspec

CANARY = "canary-7f3a9c"
_TOKENS = [
    *("{", "}", "[", "]", "(", ")", '"', "`", "'", "|", ":=", "=", "==", ",", ":", ".", ";", "\n"),
    *("if ", "some ", "every ", "not ", "with ", "default ", "import ", "package ", "contains "),
    *("input", "data", "result", "null", "-1", "1e309", "99999999999999999999", '"\\u0000"', "é"),
    *("time.now_ns()", "opa.runtime()", "walk(input)", "numbers.range(1, 100)", "count(input)"),
    *("has(item.x)", "item", "index", "args", "evidence", "? 1 : 2", "&&", "||", "\\", "\0", "\t"),
]
_HOSTILE = [
    'result := {"violations": [x | x := opa.runtime().env[_]]}',
    'result := {"violations": [http.send({"method": "get", "url": "http://127.0.0.1"}).body]}',
    'result := {"violations": [x | some x in numbers.range(1, 100000000)]}',
    'result := {"violations": [x | walk(input, [_, x]); walk(input, [_, y]); x == y]}',
    'f(x) := f(concat("", [x, x]))\nresult := {"violations": [f("a")]}',
    'result := {"violations": [sprintf("%099999999d", [1])]}',
    'result := {"violations": [regex.match("(a+)+$", "' + "a" * 40 + '!")]}',
    'result := {"violations": [yaml.unmarshal("a: &a [*a, *a]")]}',
    'result := {"violations": [json.unmarshal("' + "[" * 5000 + '")]}',
    'result := {"violations": [glob.match("/**", [], "/etc/passwd")]}',
    "result := data",
    "result := input",
]
_CEL = [
    {"each": "input.components", "check": "has(item.version)", "path": "['components', index]"},
    {"check": "input.components.all(c, size(c.name) < 9)", "message_expression": "string(args)"},
    {"check": "evidence.type != 'sarif'", "when": "has(input.runs)", "message": "no"},
    {"each": "lists.range(10)", "check": "item < 5 || [1, 2].exists(x, x == item)"},
]
_DOCUMENTS = [
    (
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components":'
        b' [{"type": "library", "name": "a", "version": "1",'
        b' "licenses": [{"license": {"id": "MIT"}}]},'
        b' {"type": "library", "name": "b", "licenses": [{"expression": "MIT OR GPL-2.0"}]}]}'
    ),
    (
        b'{"version": "2.1.0", "$schema": "x", "runs": [{"tool": {"driver": {"name": "t"}},'
        b' "results": [{"ruleId": "r", "level": "error", "message": {"text": "m"}}]}]}'
    ),
    (
        b'<testsuite name="s" tests="2" failures="1"><testcase name="a"><failure message="x"/>'
        b'</testcase><testcase name="b"/></testsuite>'
    ),
    b"a: [1, 2.5, {b: null}]\nc: &x text\nd: *x\n",
    b'{"a": [1, 1e10, true, null, "\\u2603", {"": []}], "args": 1, "evidence": 2}',
]


def cases(seed, count):
    """So many policies (as objects of JSON), each with a document's bytes."""
    chance = random.Random(seed)
    sources = [one["source"] for one in _builtin() if one["source"]]
    rules = [one["rules"] for one in _builtin() if one["rules"]] + [[rule] for rule in _CEL]
    for number in range(count):
        document = chance.choice(_DOCUMENTS)
        if chance.random() < 0.4:
            document = _mutated(chance, document.decode()).encode(errors="ignore")
        policy = {"name": f"p{number}", "language": "rego"}
        if chance.random() < 0.1:
            policy["applies_to"] = ["sarif"]
        kind = chance.random()
        if kind < 0.1:
            policy["source"] = "package p\n\n" + chance.choice(_HOSTILE)
        elif kind < 0.65:
            policy["source"] = _mutated(chance, chance.choice(sources))
        else:
            chosen = chance.choice(rules)
            policy |= {
                "language": "cel",
                "rules": [
                    {
                        name: _mutated(chance, text)
                        if name not in {"severity", "message"}
                        else text
                        for name, text in rule.items()
                        if text is not None
                    }
                    for rule in chosen
                ],
            }
        yield policy, document


def _mutated(chance, text):
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.randint(0, 12))
        match chance.randint(0, 4):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + chance.choice(_TOKENS) + text[start:]
            case 2:
                text = text[:start] + chance.choice(_TOKENS) + text[end:]
            case 3:
                text = text[:start] + text[start:end] * chance.randint(2, 40) + text[end:]
            case _:
                other = chance.randint(0, len(text))
                text = text[:start] + text[other : other + 20] + text[end:]
    return text


def _builtin():
    folder = resources.files("outlast.resources.policies.builtin")
    from outlast.resources.policies.format import read_policy  # noqa: PLC0415

    files = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=str)
    return [msgspec.to_builtins(read_policy(one.read_bytes(), is_toml=True)) for one in files]


def run(arguments, workdir):
    """Evaluate cases; answers what came of them, and which broke a promise."""
    from outlast.resources.evidence.recognition import BadEvidence, recognise  # noqa: PLC0415
    from outlast.resources.policies.format import PolicyDocument, check_policy  # noqa: PLC0415

    _ = workdir
    asked = json.loads(arguments)
    counts, broken = {}, []
    for given, document in asked["cases"]:
        policy = msgspec.convert(given, PolicyDocument)
        try:
            check_policy(policy)
            recognised = recognise(document.encode())
        except BadEvidence as error:
            came = "bad evidence"
            if not {"line", "column"} <= error.details.keys():
                broken.append([given, document, f"without a place: {error.message}"])
        except Exception as error:  # noqa: BLE001  it is what is looked for
            came = "refused"
            if not getattr(error, "message", None):
                broken.append([given, document, repr(error)])
        else:
            came, said = _judged(policy, recognised, asked["seconds"])
            if said:
                broken.append([given, document, said])
        counts[came] = counts.get(came, 0) + 1
    return {"counts": counts, "broken": broken[:20], "environment": sorted(os.environ)}


def _judged(policy, recognised, seconds):
    from outlast.resources.policies import evaluating  # noqa: PLC0415
    from outlast.resources.policies.reports import status_of  # noqa: PLC0415
    from outlast.resources.policies.verdicts import Seen  # noqa: PLC0415

    seen = Seen(document=recognised.document, args=policy.args, evidence=recognised.metadata())
    verdict = evaluating.judge(policy, seen, seconds=seconds)
    said = msgspec.json.encode(verdict).decode()
    if CANARY in said or "root:" in said:
        return "escaped", f"it has seen what is not its own: {said[:500]}"
    error = verdict.error
    if error is not None:
        texts = (
            [policy.source]
            if policy.source
            else [getattr(one, "check", "") for one in policy.rules]
        )
        lines = max(text.count("\n") for text in [*texts, ""]) + 2
        if not error.message or not error.line or not error.column or error.line > lines + 50:
            return "error", f"without a place: {error}"
    return status_of(verdict), None


def look_around(arguments, workdir):
    """What a fork can see and reach: {name: why not, or what}."""
    from outlast.resources.policies.forks import fork  # noqa: PLC0415

    _ = workdir

    def act(say):
        seen = {"environment": sorted(os.environ)}
        for path in json.loads(arguments):
            try:
                seen[path] = Path(path).read_text()
            except OSError as error:
                seen[path] = type(error).__name__
        try:
            socket.socket()
            seen["socket"] = "made"
        except OSError as error:
            seen["socket"] = type(error).__name__
        say(json.dumps(seen).encode())

    return json.loads(fork(act, memory_bytes=2**30).said[0])


def arguments_of_cases(seed, count, seconds=2):
    """The arguments of `run`: each policy has so many seconds."""
    pairs = [[policy, document.decode()] for policy, document in cases(seed, count)]
    return json.dumps({"cases": pairs, "seconds": seconds}).encode()
