"""The dashboard and the alerts that are shipped, against a running switch under calls."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from switchboard import BEKA, free_ports, until

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
OWN_WORDS = {"softswitch"}
"""The name of the scrape's job."""


def dashboard_queries() -> dict[str, str]:
    """The panels' queries by title and letter, with the variables that Grafana fills in."""
    dashboard = json.loads((DEPLOY / "grafana" / "softswitch.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "10s")
        .replace("$instance", ".*")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


def metric_names(text: str) -> set[str]:
    """The metrics that queries name."""
    without_texts = re.sub(r'"[^"]*"', "", text)
    return set(re.findall(r"\b(?:softswitch|process)_\w+", without_texts)) - OWN_WORDS


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return answer.read().decode()


@pytest.fixture
def watched(make_board):
    """A switch with a listener, a trunk and a registered line."""
    (port,) = free_ports(1)
    made = make_board(METRICS__LISTEN=f"127.0.0.1:{port}")
    made.metrics_port = port
    made.start()
    made.register("beka", made.phones[1])
    made.ask(
        "trunk_add", name="carrier", target=f"sip:127.0.0.1:{made.trunk_port}", prefixes=["44"]
    )
    return made


def call_a_line_and_a_trunk(board) -> None:
    for scenario, port, number in (
        ("answers.xml", board.phones[1], BEKA),
        ("answers.xml", board.trunk_port, "00442012345678"),
    ):
        callee = board.answers(scenario, port)
        caller = board.sipp("call.xml", board.phones[0], login="ana", password="secret",
                            number=number)  # fmt: skip
        board.ends_well(caller)
        board.ends_well(callee)
    refused = board.sipp("refused_402.xml", board.phones[0], login="poor", password="secret",
                         number="00442012345678")  # fmt: skip
    board.ends_well(refused)


def test_every_metric_of_the_dashboard_and_of_the_alerts_is_in_the_scrape(watched):
    call_a_line_and_a_trunk(watched)
    watched.cdrs()  # all are over
    page = scrape(watched.metrics_port)
    samples = {
        sample.name for family in text_string_to_metric_families(page) for sample in family.samples
    }
    named = metric_names("\n".join([*dashboard_queries().values(), ALERTS.read_text()]))
    assert len(named) > 30
    late = {"softswitch_books_differences", "softswitch_books_verified_timestamp_seconds"}
    late.add("softswitch_texts_total")
    assert named - samples <= late  # the books are verified minutes after the start; no text went
    assert 'softswitch_trunk_seizures_total{status="200",trunk="carrier"} 1.0' in page
    assert "softswitch_call_attempts_total 3.0" in page
    assert "softswitch_call_answers_total 2.0" in page
    assert "softswitch_media_workers 1.0" in page
    assert "softswitch_media_waiting 0.0" in page


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus isn't installed")
def test_promtool_accepts_the_page_the_rules_and_the_configuration(watched):
    page = scrape(watched.metrics_port)
    linted = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=30
    )
    ours = [line for line in linted.stderr.splitlines() if line.startswith("softswitch_")]
    assert ours == []
    for what, file in (("rules", ALERTS), ("config", DEPLOY / "prometheus" / "prometheus.yml")):
        checked = subprocess.run(
            ["promtool", "check", what, str(file)], capture_output=True, text=True, timeout=30
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus isn't installed")
def test_alerts_fire_when_they_should_and_not_before():
    file = Path(__file__).parent / "alerts.test.yml"
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(watched, tmp_path):
    """Prometheus itself, scraping the switch each second; its query address."""
    if shutil.which("prometheus") is None:
        pytest.skip("Debian's prometheus isn't installed")
    (port,) = free_ports(1)
    settings = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    settings = settings.replace("15s", "1s").replace("9464", str(watched.metrics_port))
    (tmp_path / "prometheus.yml").write_text(settings)
    shutil.copy(ALERTS, tmp_path)
    server = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml",
         f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"http://127.0.0.1:{port}/api/v1/query"
    server.terminate()
    server.wait(20)


def result(address: str, query: str) -> list | None:
    try:
        with urllib.request.urlopen(
            f"{address}?{urllib.parse.urlencode({'query': query})}", timeout=5
        ) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return None


@pytest.mark.timeout(180)
def test_prometheus_answers_each_query_of_the_dashboard(watched, prometheus):
    up = 'up{job="softswitch"}'
    until(lambda: (result(prometheus, up) or [{"value": [0, "0"]}])[0]["value"][1] == "1",
          "Prometheus has scraped", 30)  # fmt: skip
    call_a_line_and_a_trunk(watched)
    call_a_line_and_a_trunk(watched)
    time.sleep(2.5)
    queries = dashboard_queries()
    empty = [title for title, query in queries.items() if not result(prometheus, query)]
    later = ("Texts", "Books", "Since the last verification")
    assert [title for title in empty if not title.startswith(later)] == []
    answered = result(prometheus, queries["Answer-seizure ratio by trunk A"])
    assert [(each["metric"]["trunk"], each["value"][1]) for each in answered] == [("carrier", "1")]
