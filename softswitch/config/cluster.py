"""The section [cluster] of the configuration: several switches as one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from softswitch.config.values import Section, comma_list

NodeName = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.\-]{1,64}$")]


class ClusterSection(Section):
    """[cluster]: several switches behind one edge, on one PostgreSQL database."""

    nodes: Annotated[tuple[NodeName, ...], BeforeValidator(comma_list)] = ()
    """The names of all switches of the cluster, `[switch] node` of this one among them. Each
    reaches the phones that registered at another by way of `[sip] edges`. Empty: no cluster."""
    kept_lines: Annotated[int, Field(ge=100, le=10_000_000)] = 100_000
    """Lines whose phones a node keeps in memory; it reads those of others when they are called."""
