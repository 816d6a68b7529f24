import hashlib
import json

BOM = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "a"}]}


def test_evidence_is_put_listed_shown_saved_and_deleted(run, tmp_path):
    content = json.dumps(BOM)
    (tmp_path / "bom.json").write_text(content)
    put = run("evidence", "put", "bom.json")
    assert (put.code, "bom.json is cyclonedx 1.6: " in put.output) == (0, True)
    assert 'line 1, column 65: "type" is a required property' in put.output
    made = json.loads(run("evidence", "put", "bom.json", "--json").output)
    assert made["digest"] == f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    assert "cyclonedx 1.6" in run("evidence", "list").output
    listed = json.loads(run("evidence", "list", "--type", "cyclonedx", "--json").output)
    assert made in listed["evidence"]
    shown = run("evidence", "show", made["digest"]).output
    assert made["id"] in shown
    assert "is a required property" in shown
    assert run("evidence", "download", made["id"], "-o", "copy.json").code == 0
    assert (tmp_path / "copy.json").read_text() == content
    assert run("evidence", "delete", made["id"]).code == 0
    assert "there is no evidence" in run("evidence", "show", made["id"]).errors


def test_a_file_that_is_no_evidence_is_refused_with_its_line(run, tmp_path):
    (tmp_path / "bad.json").write_text('{"a":\n 1,}')
    refused = run("evidence", "put", "bad.json")
    assert refused.code == 2
    assert "line 2, column 4: this is not JSON" in refused.errors
