import pytest

from outlast.resources.policies.format import PolicyDocument
from outlast.resources.policies.verdicts import RawViolation, Verdict

REFUSED = {
    "opa.runtime": "",
    "rand.intn": '"a", 1',
    "time.now_ns": "",
    "uuid.rfc4122": '"a"',
    "io.jwt.decode_verify": '"a", {}',
    "io.jwt.encode_sign": "{}, {}, {}",
    "io.jwt.encode_sign_raw": '"a", "b", "c"',
}


@pytest.fixture
def judge(process):
    def judge(source, document=None, **seen):
        policy = PolicyDocument(name="p", language="rego", source=f"package p\n{source}")
        return process.judge(policy, {} if document is None else document, **seen)

    return judge


@pytest.fixture
def messages(judge):
    def messages(source, document=None, **seen):
        verdict = judge(source, document, **seen)
        assert verdict.error is None, verdict.error
        return [one.message for one in verdict.violations]

    return messages


@pytest.fixture
def error(judge):
    def error(source, document=None):
        found = judge(source, document).error
        return None if found is None else (found.line, found.column, found.message)

    return error


def test_a_policy_sees_the_document_what_was_chosen_and_what_is_known(judge):
    source = """
result := {"violations": [violation |
    component := input.components[i]
    component.name in input.args.banned
    violation := {
        "message": sprintf("%s of a %s", [component.name, input.evidence.type]),
        "path": ["components", i],
        "severity": "HIGH",
    }
]}"""
    seen = {"args": {"banned": ["b"]}, "evidence": {"type": "cyclonedx"}}
    verdict = judge(source, {"components": [{"name": "a"}, {"name": "b"}]}, **seen)
    assert verdict == Verdict(
        violations=(
            RawViolation(message="b of a cyclonedx", severity="high", path="/components/1"),
        ),
        total=1,
    )


def test_a_document_that_is_no_object_is_its_elements(messages):
    assert messages('result := {"violations": input.elements}', ["a", "b"]) == ["a", "b"]


def test_what_is_skipped_has_its_reason(judge):
    verdict = judge('result := {"skipped": true, "skip_reason": "no SBOM", "violations": ["x"]}')
    assert verdict == Verdict(is_skipped=True, skip_reason="no SBOM")


@pytest.mark.parametrize(
    "text", ['he said "hi"', "a\\b", "line\nbreak\ttab", "\0", "☃ 😀 é", "a/b", "\\u0041", ""]
)
def test_texts_come_back_as_they_went_in(messages, text):
    assert messages('result := {"violations": [input.text]}', {"text": text}) == [text]
    assert messages(
        'result := {"violations": [concat("", [input.text, input.text])]}', {"text": text}
    ) == [text * 2]
    assert messages('result := {"violations": [k | input.map[k]]}', {"map": {text: 1}}) == [text]


@pytest.mark.parametrize("text", ["plain", 'he said "hi"', "a\\b\nc\t\0", "☃\\n", "\\"])
def test_texts_that_the_engine_writes_wrongly_are_read_all_the_same(messages, text):
    made = 'sprintf("%s: %s", [input.text, concat("", [input.text, "!"])])'
    document = {"text": text}
    assert messages(f'result := {{"violations": [{made}]}}', document) == [f"{text}: {text}!"]
    source = (
        f'result := {{"violations": [{{"message": {made}, "path": ["a", 1, 1.5, true, null]}}]}}'
    )
    assert messages(source, document) == [f"{text}: {text}!"]


def test_numbers_that_the_engine_has_no_place_for_are_rounded(messages):
    source = 'result := {"violations": [sprintf("%v", [input.n > 1000000])]}'
    assert messages(source, {"n": 2**70}) == ["true"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("result := {", (2, 11, "this is unclosed")),
        ("\n  result := @@@", (3, 10, "Invalid assignment operator")),
        ("\nresult := foo(1)", (3, 11, "there is no function foo")),
        ("x := 1", (1, 1, "the package p has no rule result")),
        ("result := 1", (2, 1, "the rule result is not an object {skipped, violations, ...}")),
        ("result := {}", (2, 1, "the result has no `violations`: a list or a set")),
        ('result := {"error": "no such level"}', (2, 1, "no such level")),
        (
            'result := {"violations": [1]}',
            (2, 1, "a violation is a text, or an object with a `message`"),
        ),
        ("\nresult := 1 if input.x", (3, 1, "the rule result has no value for this evidence")),
        ('result := {"violations": [to_number("x")]}', (2, 27, "to_number failed")),
        ('\nx := 1 / input.zero\nresult := {"violations": [x]}', (3, 6, "div failed")),
        (
            '\nx := 1\nx := 2\nresult := {"violations": [x]}',
            (3, 1, "the rule has more than one value"),
        ),
        (
            'f(x) := 1 if x > 1\nf(x) := 2 if x > 0\nresult := {"violations": [f(3)]}',
            (2, 1, "the rule has more than one value"),
        ),
        ("a := b\nb := a\nresult := a", (4, 1, "Recursion detected in rule body: data.p.result")),
    ],
)
def test_what_goes_wrong_has_its_line_and_column(error, source, expected):
    assert error(source, {"zero": 0, "text": "a"}) == expected


@pytest.mark.parametrize("source", ["", "x := 1", "# package p", "package 1"])
def test_a_source_begins_with_a_package(process, source):
    found = process.judge(PolicyDocument(name="p", language="rego", source=source), {}).error
    assert (found.line, found.message[:22]) == (1, "there is no package: t")


def test_the_package_may_have_any_name_and_stand_below_comments(process):
    source = '# why\n\npackage a.b\nresult := {"violations": []}'
    policy = PolicyDocument(name="p", language="rego", source=source)
    assert process.judge(policy, {}) == Verdict()


@pytest.mark.parametrize("name", REFUSED)
def test_what_sees_the_machine_or_answers_otherwise_each_time_is_refused(error, name):
    line, _, message = error(f'\nresult := {{"violations": [x | x := {name}({REFUSED[name]})]}}')
    assert line == 3
    assert message.startswith(f"{name} is not for policies")


@pytest.mark.parametrize("name", ["http.send", "net.lookup_ip_addr", "providers.aws.sign_req"])
def test_there_is_no_function_that_leaves_the_machine(error, name):
    _, _, message = error(f'result := {{"violations": [x | x := {name}({{}})]}}')
    assert message == f"there is no function {name}"


@pytest.mark.parametrize(
    "source",
    [
        'f(x) := opa.runtime()\nresult := {"violations": [f(1)]}',
        'result := {"violations": [1 | some x in [1]; y := {opa.runtime(): x}; y]}',
        'default result := {"violations": []}\nresult := x if { x := opa.runtime() }',
        'x := opa.runtime()\nresult := {"violations": [data.p.x]}',
        'result := {"violations": []} if { not opa.runtime() }',
        'result := {"violations": []} if { every x in [1] { opa.runtime() } }',
        'result := {"violations": []} if { input.x with input as opa.runtime() }',
    ],
)
def test_a_refused_function_is_found_wherever_it_stands(error, source):
    assert "opa.runtime" in error(source)[2]


def test_the_names_that_are_refused_are_all_tried_here(process):
    assert set(process.call("policy_process:refused", b"")) == set(REFUSED)
