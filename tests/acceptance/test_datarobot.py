"""DataRobot's door as a client of another make has it: one that follows redirects and backs off.

It goes by the rules of the Terraform provider: the status's place is the sixth or seventh part of a
URL, what was redirected is done, and what has failed says why.
"""

import io
import time
import zipfile
from urllib.parse import urlsplit

import httpx
import pytest
from live_server import LiveServer
from vectors import MODEL, WordEmbedder

pytestmark = pytest.mark.acceptance
GENAI = "/api/v2/genai"
SETTINGS = '[backends.embedder]\nurl = "{url}"\nmodels = ["{model}"]\n'
ROWS = (
    b"document,document_file_path,year\n"
    b"The owl hunts at night.,owl.txt,1991\n"
    b"A spider spins a web.,spider.txt,2004\n"
)


class Provider:
    """A client that polls by the Terraform provider's rules, a hundred times as fast."""

    def __init__(self, server):
        self.http = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, timeout=60
        )

    def follow(self, location):
        """The resource that a status leads to, or the status itself once it is COMPLETED."""
        parts = location.split("/")
        status_id = parts[7] if "genai" in parts else parts[6]
        base = f"{GENAI}/status" if "genai" in parts else "/api/v2/status"
        pause = 0.01
        for _ in range(200):
            asked = f"{base}/{status_id}/"
            answer = self.http.get(asked, follow_redirects=True)
            assert answer.status_code == 200, answer.text
            if answer.url.path != asked:
                return answer.json()
            status = answer.json()
            assert status["status"] not in {"ERROR", "ABORTED", "EXPIRED"}, status["message"]
            if status["status"] == "COMPLETED":
                return status
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        raise AssertionError(f"not done: {status}")

    def post(self, path, **request):
        answer = self.http.post(path, **request)
        assert answer.status_code in {201, 202}, answer.text
        location = answer.headers.get("location")
        if location is not None:
            assert urlsplit(location).netloc == self.http.base_url.netloc.decode()
            assert location.endswith("/")
        return answer.json(), location


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with WordEmbedder() as double:
        settings = SETTINGS.format(url=double.url, model=MODEL)
        profile = ["--profile", "datarobot=127.0.0.1:0"]
        running = LiveServer(tmp_path_factory.mktemp("server"), settings, arguments=profile).start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def provider(server):
    provider = Provider(server)
    yield provider
    provider.http.close()


def test_from_a_file_to_a_vector_database_and_back(provider):
    use_case = provider.post("/api/v2/useCases/", json={"name": "Nature"})[0]["id"]
    files = {"file": ("nature.csv", ROWS)}
    _, location = provider.post("/api/v2/datasets/fromFile/", files=files)
    dataset = provider.follow(location)
    assert (dataset["rowCount"], dataset["processingState"]) == (2, "COMPLETED")
    wish = {
        "datasetId": dataset["datasetId"],
        "useCaseId": use_case,
        "name": "nature",
        "chunkingParameters": {"embeddingModel": MODEL, "chunkSize": 128},
    }
    made, location = provider.post(GENAI + "/vectorDatabases/", json=wish)
    assert made["executionStatus"] in {"NEW", "RUNNING"}
    built = provider.follow(location)
    assert (built["id"], built["executionStatus"]) == (made["id"], "COMPLETED")
    assert (built["chunksCount"], built["chunkSize"], built["datasetName"]) == (
        2,
        128,
        "nature.csv",
    )
    path = f"{GENAI}/vectorDatabases/{built['id']}/datasetExportJobs/"
    job, location = provider.post(path)
    assert location.split("/")[-2] == job["jobId"]
    done = provider.follow(location)
    assert (done["status"], done["statusId"]) == ("COMPLETED", job["jobId"])
    chunks = provider.http.get(f"/api/v2/datasets/{job['exportDatasetId']}/file/").text
    assert "The owl hunts at night." in chunks


def bomb():
    """A small archive of a large text."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b"a" * 70_000_000)
    return content.getvalue()


def test_what_cannot_be_read_fails_with_a_reason_and_leaves_nothing(provider):
    use_case = provider.post("/api/v2/useCases/", json={"name": "Garbage"})[0]["id"]
    reasons = {
        "garbage.pdf": (b"%PDF-1.7 this is none", "PDF"),
        "bomb.zip": (bomb(), "bytes"),
        "empty.zip": (b"PK\x05\x06" + bytes(18), "text"),
        "garbage.zip": (b"PK\x03\x04garbage", "zip"),
    }
    for name, (content, reason) in reasons.items():
        _, location = provider.post("/api/v2/datasets/fromFile/", files={"file": (name, content)})
        dataset = provider.follow(location)
        wish = {"datasetId": dataset["datasetId"], "useCaseId": use_case}
        wish["chunkingParameters"] = {"embeddingModel": MODEL}
        made, location = provider.post(GENAI + "/vectorDatabases/", json=wish)
        with pytest.raises(AssertionError, match=reason):
            provider.follow(location)
        path = f"{GENAI}/vectorDatabases/{made['id']}/"
        shown = provider.http.get(path).json()
        assert shown["executionStatus"] == "ERROR"
        assert reason in shown["errorMessage"]
        assert shown["name"] == f"Vector Database for {name}"
        assert provider.http.delete(path).status_code == 204
        assert provider.http.delete(f"/api/v2/datasets/{dataset['datasetId']}/").status_code == 204
    assert provider.http.get(f"{GENAI}/vectorDatabases/?useCaseId={use_case}").json()["count"] == 0


def test_rows_that_are_none_fail_and_a_table_without_any_is_refused(provider):
    use_case = provider.post("/api/v2/useCases/", json={"name": "Nothing"})[0]["id"]
    for name, content in (("broken.parquet", b"PAR1 this is none"), ("broken.jsonl", b"{")):
        answer, location = provider.post(
            "/api/v2/datasets/fromFile/", files={"file": (name, content)}
        )
        with pytest.raises(AssertionError):
            provider.follow(location)
        shown = provider.http.get(f"/api/v2/datasets/{answer['catalogId']}/").json()
        assert (shown["processingState"], shown["error"] != "") == ("ERROR", True)
    files = {"file": ("empty.csv", b"document\n")}
    _, location = provider.post("/api/v2/datasets/fromFile/", files=files)
    dataset = provider.follow(location)
    assert dataset["rowCount"] == 0
    wish = {"datasetId": dataset["datasetId"], "useCaseId": use_case}
    wish["chunkingParameters"] = {"embeddingModel": MODEL}
    answer = provider.http.post(GENAI + "/vectorDatabases/", json=wish)
    assert answer.status_code == 422
    [fault] = answer.json()["detail"]
    assert (fault["loc"], "no rows" in fault["msg"]) == (["body", "datasetId"], True)


def test_a_profile_of_its_own_leads_to_itself(server):
    url = server.started["profiles"]["datarobot"]
    headers = {"Authorization": f"Token {server.token}"}
    with httpx.Client(base_url=url, headers=headers) as client:
        answer = client.post("/api/v2/datasets/fromFile/", files={"file": ("a.txt", b"text")})
        assert answer.headers["location"].startswith(url + "/api/v2/status/")
        assert client.get(answer.headers["location"].removeprefix(url)).status_code == 303
        assert client.get("/api/v2/version").status_code == 308
        assert client.get("/v1/operations").status_code == 404
