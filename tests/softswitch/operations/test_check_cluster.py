"""`softswitch check` of a node of a cluster."""

import dataclasses
from pathlib import Path

import pytest

from billing.facts.authorization import OpenCall
from billing.stores.store import Store
from softswitch.config.config import parse
from softswitch.database import schema
from softswitch.operations.installation.check_cluster import cluster
from softswitch.operations.installation.setup import NONCE_KEY, secret_of_all
from softswitch.subscribers.directory_store import DirectoryStore

TEXT = """
[switch]
domain = "example.org"
country = "GE"
currency = "GEL"
node = "{node}"
[sip]
edges = [{edge}]
[cluster]
nodes = ["one", "two"]
[database]
url = "{url}"
"""


@dataclasses.dataclass
class Nodes:
    url: str
    folder: Path

    def config(self, node="one", edge='"192.0.2.100"'):
        folder = self.folder / node
        (folder / "var").mkdir(parents=True, exist_ok=True)
        secret = folder / "var" / "nonce.secret"
        if not secret.exists():
            secret.write_text(("11" if node == "one" else "22") * 32 + "\n")
        text = TEXT.format(node=node, edge=edge, url=self.url)
        return parse(text, folder / "softswitch.toml", {})


@pytest.fixture
def nodes(own_database, tmp_path):
    store = Store(own_database)
    schema.migrate(store.engine)
    store.close()
    return Nodes(own_database, tmp_path)


def rows(config):
    return {row["check"]: (row["ok"], row["detail"]) for row in cluster(config)}


def test_the_first_nodes_secret_becomes_that_of_all(nodes):
    store = Store(nodes.url)
    directory = DirectoryStore(store.engine)
    one, two = nodes.config("one"), nodes.config("two")
    assert rows(two)["cluster secret"][0] is None
    assert secret_of_all(one, directory) == b"\x11" * 32
    assert rows(two)["cluster secret"][0] is False
    assert secret_of_all(two, directory) == b"\x11" * 32
    assert rows(two)["cluster secret"][0] is True
    assert two.nonce_secret_file.read_text() == "11" * 32 + "\n"
    assert directory.setting(NONCE_KEY) == "11" * 32
    store.close()


def test_a_node_without_an_edge_is_told_what_it_misses(nodes):
    assert rows(nodes.config())["cluster edge"][0] is True
    ok, why = rows(nodes.config(edge=""))["cluster edge"]
    assert ok is False and "[sip] edges is empty" in why


def test_all_nodes_that_have_calls_must_be_listed(nodes):
    assert rows(nodes.config())["cluster"] == (True, "one of one, two")
    store = Store(nodes.url)
    store.apply([OpenCall("call", None, None, b"{}", 0, node="three")])
    store.close()
    ok, why = rows(nodes.config())["cluster"]
    assert ok is False and "'three' serves or has calls, and isn't among [cluster] nodes" in why
