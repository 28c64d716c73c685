"""[cluster]: what the nodes of a cluster must have in common."""

from pathlib import Path

import pytest

from softswitch.config.config import ConfigError, parse

TEXT = """
[switch]
domain = "example.org"
country = "GE"
currency = "GEL"
node = "NODE"
[cluster]
nodes = ["one", "two"]
[database]
url = "URL"
"""
SERVER = "postgresql://user@host/name"


def read(node="one", url=SERVER):
    return parse(TEXT.replace("NODE", node).replace("URL", url), Path("softswitch.toml"), {})


def test_a_node_of_the_cluster_on_postgresql_is_taken():
    assert read("two").cluster.nodes == ("one", "two")


@pytest.mark.parametrize(
    ("node", "url", "why"),
    [
        ("three", SERVER, "[cluster] nodes one, two must have [switch] node = 'three'"),
        ("", SERVER, "[cluster] nodes one, two must have [switch] node, which isn't set"),
        ("one", "sqlite:///x.db", "[cluster] nodes needs [database] url = postgresql://..."),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(node, url, why):
    with pytest.raises(ConfigError) as refused:
        read(node, url)
    assert why in str(refused.value)
