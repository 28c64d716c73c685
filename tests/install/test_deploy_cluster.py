"""The files of deploy/ for a cluster: the programs that read them take them, and they agree."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from softswitch.config.config import parse
from softswitch.operations.installation import setup

DEPLOY = Path(__file__).parents[2] / "deploy"
EDGE, CLUSTER = DEPLOY / "kamailio", DEPLOY / "cluster"
MODULES = sorted(Path("/usr/lib").glob("**/kamailio/modules"))
needs_kamailio = pytest.mark.skipif(
    shutil.which("kamailio") is None or not MODULES, reason="Kamailio isn't installed"
)
has_tls = bool(MODULES) and all((MODULES[0] / name).exists() for name in ("tls.so", "websocket.so"))
BASE = '[switch]\ndomain = "sip.example.org"\ncountry = "GE"\ncurrency = "GEL"\n'


def checked(folder: Path, site: str) -> str:
    """What `kamailio -c` says of the edge with these settings of a site."""
    shutil.copytree(EDGE, folder, dirs_exist_ok=True)
    site = site.replace("/usr/lib/x86_64-linux-gnu/kamailio/modules", str(MODULES[0]))
    site = site.replace("/etc/kamailio", str(folder)).replace("/run/kamailio", str(folder))
    (folder / "edge-site.cfg").write_text(site)
    tls = (folder / "tls.cfg").read_text().replace("/etc/kamailio", str(folder))
    (folder / "tls.cfg").write_text(tls)
    if has_tls and "WITH_TLS" in site:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=edge", "-keyout", str(folder / "edge.key"), "-out", str(folder / "edge.crt")],
            check=True, capture_output=True,
        )  # fmt: skip
    done = subprocess.run(
        ["kamailio", "-c", "-f", str(folder / "edge.cfg")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_kamailio
@pytest.mark.skipif(not has_tls, reason="Kamailio's tls and websocket modules aren't installed")
def test_kamailio_takes_the_edge_with_tls_and_websocket(tmp_path):
    site = (EDGE / "edge-site.cfg").read_text().replace("192.0.2.5", "127.0.0.1")
    said = checked(tmp_path, site)
    assert "config file ok" in said
    assert {"udp: 127.0.0.1", "tcp: 127.0.0.1", "tls: 127.0.0.1"} <= {
        line.strip().partition(" [")[0] for line in said.splitlines()
    }


@needs_kamailio
def test_kamailio_takes_the_edge_without_tls(tmp_path):
    site = (EDGE / "edge-site.cfg").read_text().replace("192.0.2.5", "127.0.0.1")
    plain = "\n".join(line for line in site.splitlines() if "!define" not in line)
    assert "config file ok" in checked(tmp_path, plain)


@needs_kamailio
def test_kamailio_takes_the_edge_of_the_compose_file(tmp_path):
    site = (CLUSTER / "edge" / "edge-site.cfg").read_text().replace("10.60.0.5", "127.0.0.1")
    assert "config file ok" in checked(tmp_path, site)


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived isn't installed")
def test_keepalived_takes_its_file(tmp_path):
    """It complains of what it doesn't take, with the line; its status says less."""
    links = [path.name for path in Path("/sys/class/net").iterdir() if path.name != "lo"]
    if not links:
        pytest.skip("this machine has no interface but the loopback")
    text = (DEPLOY / "keepalived" / "keepalived.conf").read_text()
    text = text.replace("interface eth0", f"interface {sorted(links)[0]}")
    text = text.replace("script_user kamailio", "script_user nobody")
    text = text.replace("/usr/local/bin/edge-answers", "/bin/true")
    text = text.replace("/usr/sbin/kamcmd dispatcher.reload", "/bin/true")
    (tmp_path / "keepalived.conf").write_text(text)

    def complaints() -> str:
        done = subprocess.run(
            ["keepalived", "-t", "-f", str(tmp_path / "keepalived.conf")],
            capture_output=True, text=True, timeout=30, start_new_session=True,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert "Line" not in complaints()
    (tmp_path / "keepalived.conf").write_text(text.replace("virtual_router_id", "virtual_router"))
    assert "Line" in complaints()


def test_the_question_of_keepalived_is_answered_by_an_edge_alone(tmp_path):
    import socket
    import threading

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as edge:
        edge.bind(("127.0.0.1", 0))
        port = str(edge.getsockname()[1])

        def ask() -> int:
            command = [DEPLOY / "keepalived" / "edge-answers", "127.0.0.1", port, "60"]
            return subprocess.run(command, capture_output=True, timeout=90).returncode

        def answer(status: bytes) -> None:
            data, source = edge.recvfrom(2000)
            assert data.startswith(b"OPTIONS sip:127.0.0.1:" + port.encode())
            edge.sendto(b"SIP/2.0 " + status + b"\r\n\r\n", source)

        for status, expected in ((b"200 OK", 0), (b"503 Service Unavailable", 1)):
            thread = threading.Thread(target=answer, args=(status,))
            thread.start()
            assert ask() == expected
            thread.join()


def compose() -> dict:
    return yaml.safe_load((CLUSTER / "compose.yaml").read_text())


@pytest.mark.parametrize("name", ["one", "two", "portal"])
def test_the_settings_of_the_compose_file_make_a_node_of_the_cluster(name, tmp_path, monkeypatch):
    service = compose()["services"][name]
    environment = {key: str(value) for key, value in service["environment"].items()}
    config = parse(BASE, tmp_path / "softswitch.toml", environment)
    assert config.cluster.nodes == ("one", "two")
    assert config.switch.node == ("one" if name == "portal" else name)
    assert config.database_file is None
    assert str(config.sound.folder) == "/var/lib/sound"
    assert "sound:/var/lib/sound" in service["volumes"]


def test_the_edge_of_the_compose_file_knows_its_nodes_and_they_know_it():
    services = compose()["services"]

    def address(name: str) -> str:
        return services[name]["networks"]["cluster"]["ipv4_address"]

    listed = (CLUSTER / "edge" / "dispatcher.list").read_text()
    assert re.findall(r"^1 sip:([\d.]+):5060 ", listed, re.M) == [address("one"), address("two")]
    for name in ("one", "two"):
        environment = services[name]["environment"]
        assert environment["SOFTSWITCH_SIP__EDGES"] == address("edge")
        assert environment["SOFTSWITCH_SIP__LISTEN"].startswith(f"udp:{address(name)}:5060")
        assert environment["SOFTSWITCH_DATABASE__URL"].endswith(
            f"@{address('database')}/softswitch"
        )
    site = (CLUSTER / "edge" / "edge-site.cfg").read_text()
    assert f"!EDGE_ADDRESS!{address('edge')}!" in site
    for name in ("one", "two"):
        assert services[name]["cap_drop"] == ["ALL"]


def test_the_steps_of_the_compose_file_are_commands(tmp_path, own_database, monkeypatch):
    """Its first steps, as far as they go without containers: two configurations, one database."""
    from softswitch.cli.main import run

    monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", own_database)
    for name in ("one", "two"):
        home = tmp_path / name
        home.mkdir()
        monkeypatch.setenv("SOFTSWITCH_SWITCH__NODE", name)
        monkeypatch.setenv("SOFTSWITCH_CLUSTER__NODES", "one,two")
        arguments = ["init", "--domain", "sip.example.org", "--address", "10.60.0.11",
                     "--country", "GE"]  # fmt: skip
        assert run(["-c", str(home / "softswitch.toml"), *arguments]) == 0
        config = setup.load(home / "softswitch.toml")
        assert config.cluster.nodes == ("one", "two")


def test_the_edge_has_memory_of_its_own_choice():
    """Debian's unit gives 64 MB, which 100 calls and 300 registrations a second use up."""
    edge = (EDGE / "edge.cfg").read_text()
    (megabytes,) = re.findall(r"^shm_mem_size=(\d+)$", edge, re.MULTILINE)
    assert int(megabytes) >= 1024
    assert '"-m"' not in (EDGE / "Containerfile").read_text()
