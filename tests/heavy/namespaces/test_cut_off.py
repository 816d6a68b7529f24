"""A worker's host is cut off from the database, and comes back."""

import sys
import time

import httpx
import pytest

TUNED = {
    "lease_seconds": 1.6,
    "renew_seconds": 0.4,
    "reap_seconds": 0.15,
    "cancel_grace_seconds": 1.0,
    "drain_seconds": 2.0,
}


class Hosts:
    """An installation over the network, and what its attempts say on the side."""

    def __init__(self, folder, network, database, recovery):
        from chaos_installation import Installation  # noqa: PLC0415  found by the conftest

        for host in ("api", "w1", "w2"):
            network.add(host)
        self.network = network
        self.workers = []
        self.installation = Installation(folder, recovery, slots=4, database=database.url())
        self.installation.make_outside()

    def start(self):
        self.installation.start(self.network.prefix("api"), slots=0)
        self.until(lambda: self.installation.has_token() and self.ready(), 30)

    def start_worker(self, host):
        self.workers.append(self.installation.start_worker(self.network.prefix(host)))
        return self.workers[-1]

    def clear(self):
        self.installation.clear()
        for worker in self.workers:
            worker.wait()

    def ready(self):
        try:
            return self.http("GET", "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def http(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.installation.token}"}
        url = self.installation.url + path
        return self.network.call(
            "api", httpx.request, method, url, headers=headers, timeout=30, **more
        )

    def submit(self, kind, **spec):
        spec |= {"outside": str(self.installation.outside)}
        answer = self.http("POST", "/v1/operations", json={"kind": kind, "spec": spec})
        answer.raise_for_status()
        return answer.json()["id"]

    def get(self, operation_id):
        return self.http("GET", f"/v1/operations/{operation_id}").json()

    def history(self, operation_id):
        return self.http("GET", f"/v1/operations/{operation_id}/events?limit=1000").json()["events"]

    def lines(self, operation_id, attempt):
        return [
            line
            for line in self.installation.lines()
            if (line["operation"], line["attempt"]) == (operation_id, attempt)
        ]

    def until(self, seen, seconds):
        ends_at = time.monotonic() + seconds
        while not (found := seen()):
            assert time.monotonic() < ends_at, self.installation.log_tail()
            time.sleep(0.02)
        return found


@pytest.fixture(params=[{}], ids=["usual"])
def hosts(tmp_path, network, database, request):
    made = Hosts(tmp_path, network, database, dict(request.param))
    try:
        made.start()
        yield made
    finally:
        made.clear()


@pytest.mark.parametrize(
    ("hosts", "seconds_max"), [({}, 20.0), (TUNED, 3.0)], indirect=["hosts"], ids=["usual", "tuned"]
)
def test_what_ran_on_a_host_that_is_cut_off_runs_again_in_time_and_its_late_write_changes_nothing(
    hosts, seconds_max
):
    hosts.start_worker("w1")
    guarded = hosts.submit("chaos_work", steps=400, step_seconds=0.1)
    # Nobody guards what runs on the worker's own loop: it goes on, and ends while it is cut off.
    unguarded = hosts.submit("chaos_inline", steps=1, step_seconds=12)
    for one in (guarded, unguarded):
        hosts.until(lambda one=one: hosts.lines(one, 1), 30)
    second = hosts.start_worker("w2")
    bystander = hosts.submit("chaos_work", steps=30, step_seconds=0.1)
    time.sleep(3)

    hosts.network.cut("w1")
    started = time.time()  # noqa: TID251  compared with the lines of the attempts
    for one in (guarded, unguarded):
        hosts.until(lambda one=one: hosts.lines(one, 2), 60)
    again = {one: hosts.lines(one, 2)[0]["at"] - started for one in (guarded, unguarded)}
    sys.stdout.write(f"running again after {again}\n")
    assert max(again.values()) <= seconds_max, again

    # The guard had stopped the old attempt before the new one began; the unguarded one ends.
    assert hosts.lines(guarded, 1)[-1]["at"] < hosts.lines(guarded, 2)[0]["at"]
    hosts.until(lambda: hosts.lines(unguarded, 1)[-1]["what"] == "end", 30)
    hosts.network.heal("w1")
    hosts.until(lambda: hosts.get(unguarded)["state"] == "succeeded", 30)
    hosts.until(lambda: "was not recorded" in hosts.installation.log.read_text(), 40)

    winner = hosts.lines(unguarded, 2)[0]["nonce"]
    assert hosts.get(unguarded)["result"] == {"attempt": 2, "nonce": winner, "steps": 1}
    types = [event["type"] for event in hosts.history(unguarded) if event["type"] != "step"]
    assert types == ["created", "claimed", "lease_lost", "claimed", "succeeded"]
    after = [event for event in hosts.history(unguarded) if event["attempt"] == 2]
    assert {event["data"]["nonce"] for event in after if event["type"] == "step"} == {winner}
    assert hosts.get(bystander)["state"] == "succeeded"

    # And the host that was cut off works again.
    second.terminate()
    second.wait(20)
    again_at_w1 = hosts.submit("chaos_work", steps=3, step_seconds=0.05)
    hosts.until(lambda: hosts.get(again_at_w1)["state"] == "succeeded", 40)


def test_a_short_cut_of_the_network_rescues_nobody(hosts):
    hosts.start_worker("w1")
    hosts.start_worker("w2")
    made = [hosts.submit("chaos_work", steps=250, step_seconds=0.1) for _ in range(3)]
    for one in made:
        hosts.until(lambda one=one: hosts.lines(one, 1), 30)
    hosts.network.cut("db")
    time.sleep(5)
    hosts.network.heal("db")
    for one in made:
        hosts.until(lambda one=one: hosts.get(one)["state"] == "succeeded", 60)
        assert hosts.get(one)["attempt"] == 1


def test_while_the_database_is_cut_off_callers_are_told_in_time_and_afterwards_all_goes_on(hosts):
    hosts.start_worker("w1")
    first = hosts.submit("chaos_work", steps=1, step_seconds=0.05)
    hosts.until(lambda: hosts.get(first)["state"] == "succeeded", 40)
    hosts.network.cut("db")
    started = time.monotonic()
    answer = hosts.http("POST", "/v1/operations", json={"kind": "chaos_work", "spec": {}})
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert time.monotonic() - started < 20
    assert hosts.http("GET", "/readyz").status_code == 503
    assert hosts.http("GET", "/healthz").status_code == 200
    hosts.network.heal("db")
    hosts.until(hosts.ready, 20)
    second = hosts.submit("chaos_work", steps=1, step_seconds=0.05)
    hosts.until(lambda: hosts.get(second)["state"] == "succeeded", 40)
