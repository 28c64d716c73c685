"""Which phone asks, by User-Agents as phones send them, and for which file."""

from __future__ import annotations

import pytest

from softswitch.provisioning.asking import Agent, ask, read_agent
from softswitch.provisioning.device import Kind

AGENTS = [
    ("Yealink CP860 37.72.0.5 00:15:65:8a:37:86", "yealink", "CP860", "37.72.0.5", "0015658a3786"),
    ("yealink SIP-T18 18.0.0.80 00:15:65:27:3e:05", "yealink", "T18", "18.0.0.80", "001565273e05"),
    ("Yealink SIP-T19P_E2 53.80.0.3 00:15:65:4c:4c:26", "yealink", "T19P_E2", "53.80.0.3",
     "0015654c4c26"),
    ("Yealink SIP-T38G  38.70.0.125 00:15:65:2f:c3:5e", "yealink", "T38G", "38.70.0.125",
     "0015652fc35e"),
    ("Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37", "yealink", "T46G", "28.72.0.1",
     "0015654aa937"),
    ("Yealink SIP VP-T49G 51.80.0.10 00:15:65:9b:5a:44", "yealink", "T49G", "51.80.0.10",
     "0015659b5a44"),
    ("Yealink SIP-W52P 25.73.0.20 00:15:65:40:ae:35", "yealink", "W52P", "25.73.0.20",
     "00156540ae35"),
    ("W52P 25.30.0.2 00:15:65:44:b3:7c", "yealink", "W52P", "25.30.0.2", "00156544b37c"),
    ("Yealink-T46G 28.71.0.81 28.1.0.128.0.0.0", "yealink", "T46G", "28.71.0.81", None),
    ("VP530P 23.70.0.40 00:15:65:31:4b:c0", "yealink", "VP530P", "23.70.0.40", "001565314bc0"),
    ("Grandstream Model HW GXP1405 SW 1.0.4.23 DevId 000b8240d55c", "grandstream", "GXP1405",
     "1.0.4.23", "000b8240d55c"),
    ("Grandstream Model HW GXP1628 SW 1.0.4.138 DevId c074ad2bd859", "grandstream", "GXP1628",
     "1.0.4.138", "c074ad2bd859"),
    ("Grandstream Model HW GXP2200 V2.2A SW 1.0.1.33 DevId 000b82462d97", "grandstream",
     "GXP2200", "1.0.1.33", "000b82462d97"),
    ("Grandstream Model HW GXV3350  V1.3A SW 1.0.1.8 DevId c074ad150b88", "grandstream",
     "GXV3350", "1.0.1.8", "c074ad150b88"),
    ("Grandstream GXP2000 (gxp2000e.bin:1.2.5.3/boot55e.bin:1.1.6.9) DevId 000b822726c8",
     "grandstream", "GXP2000", "1.2.5.3", "000b822726c8"),
    ("Grandstream Model HW HT801 V1.1A SW 1.0.17.5 DevId c074ad273a10", "grandstream", "HT801",
     "1.0.17.5", "c074ad273a10"),
    ("Mozilla/4.0 (compatible; snom320-SIP 7.3.30 1.1.3-u)", "snom", "320", "7.3.30", None),
    ("Mozilla/4.0 (compatible; snom320-SIP 6.5.20; snom320 jffs2 v3.36; snom320 linux 3.38)",
     "snom", "320", "6.5.20", None),
    ("Mozilla/4.0 (compatible; snom710-SIP 8.7.5.35 1.1.5-IFX-05.01.12 000413741767)", "snom",
     "710", "8.7.5.35", "000413741767"),
    ("Mozilla/4.0 (compatible; snomPA1-SIP 8.4.35 1.1.3-s)", "snom", "PA1", "8.4.35", None),
    ("Mozilla/4.0 (compatible; snom870-SIP 8.4.35 SPEAr300 SNOM 1.4)", "snom", "870", "8.4.35",
     None),
    ("Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-00004-g9ba52f5 000413922D24 "
     "SXM:0 UXM:0)", "snom", "D785", "10.1.33.33", "000413922d24"),
    ("Fanvil X4 2.10.2.6887 0c383e07e16c", "fanvil", "X4", "2.10.2.6887", "0c383e07e16c"),
    ("FileTransport PolycomSoundPointIP-SPIP_335-UA/3.2.1.0078", "poly", "SPIP335", "3.2.1.0078",
     None),
    ("FileTransport PolycomVVX-VVX_400-UA/4.1.4.7430 Type/Application", "poly", "VVX400",
     "4.1.4.7430", None),
    ("FileTransport PolycomSoundStationIP-SSIP_6000-UA/5.0.3.1667 Type/Updater", "poly",
     "SSIP6000", "5.0.3.1667", None),
    ("Linksys/SPA-942-6.1.5(a) (88019FA42805)", "cisco_spa", "SPA-942", "6.1.5(a)",
     "88019fa42805"),
    ("Linksys/SPA-962-6.1.5(a) (4MM00F903042)", "cisco_spa", "SPA-962", "6.1.5(a)", None),
    ("Cisco/SPA501G-7.4.4 (8843E157DDCC)(CBT141100HR)", "cisco_spa", "SPA501G", "7.4.4",
     "8843e157ddcc"),
    ("Cisco/SPA508G-7.4.8a (0002FDFF2103)(CBT141400UK)", "cisco_spa", "SPA508G", "7.4.8a",
     "0002fdff2103"),
    ("Cisco/SPA525G-7.4.7 (CBT141900G7)", "cisco_spa", "SPA525G", "7.4.7", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "model", "version", "mac"), AGENTS)
def test_a_user_agent_says_vendor_model_version_and_mac(
    text: str, kind: str, model: str, version: str, mac: str | None
) -> None:
    found = read_agent(text)
    assert found == Agent(kind, model, version, mac)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64)", "Linphonec/5.1.65", "x" * 10_000]
)
def test_other_clients_are_no_desk_phones(text: str) -> None:
    assert read_agent(text) is None


MAC = "0015654aa937"
FILES: list[tuple[Kind, str, str, str, bool]] = [
    ("yealink", "GET", "0015654aa937.cfg", "configuration", True),
    ("yealink", "GET", "y000000000028.cfg", "nothing", False),
    ("yealink", "GET", "0015654aa937.boot", "nothing", False),
    ("yealink", "GET", "phonebook.xml", "phone_book", False),
    ("yealink", "GET", "firmware/T46G-28.83.0.120.rom", "firmware", False),
    ("yealink", "GET", "firmware/../../etc/passwd", "nothing", False),
    ("yealink", "GET", "firmware/.hidden", "nothing", False),
    ("grandstream", "GET", "cfg0015654aa937.xml", "configuration", True),
    ("grandstream", "GET", "cfg0015654aa937", "nothing", False),
    ("grandstream", "GET", "cfg.xml", "nothing", False),
    ("snom", "GET", "0015654AA937.xml", "configuration", True),
    ("snom", "GET", "snomD785-0015654AA937.htm", "configuration", True),
    ("snom", "GET", "snomD785.htm", "configuration", False),
    ("fanvil", "GET", "0015654aa937.cfg", "configuration", True),
    ("fanvil", "GET", "f0X4hw1.100.cfg", "nothing", False),
    ("poly", "GET", "0015654aa937.cfg", "master", True),
    ("poly", "GET", "phone0015654aa937.cfg", "configuration", True),
    ("poly", "GET", "0015654aa937-phone.cfg", "nothing", False),
    ("poly", "GET", "0015654aa937-directory.xml", "phone_book", True),
    ("poly", "PUT", "0015654aa937-app.log", "upload", True),
    ("poly", "PUT", "phone0015654aa937.cfg", "nothing", False),
    ("cisco_spa", "GET", "0015654aa937.xml", "configuration", True),
    ("cisco_spa", "GET", "spa0015654aa937.cfg", "configuration", True),
    ("cisco_spa", "GET", "spa504G.cfg", "configuration", False),
    ("cisco_spa", "GET", "init.cfg", "nothing", False),
    ("linphone", "GET", "linphone.xml", "configuration", False),
    ("linphone", "HEAD", "linphone.xml", "nothing", False),
    ("other", "GET", "linphone.xml", "configuration", False),
]


@pytest.mark.parametrize(("kind", "method", "file", "what", "named"), FILES)
def test_a_file_is_known_by_its_vendors_name(
    kind: Kind, method: str, file: str, what: str, named: bool
) -> None:
    asked = ask(kind, method, file, "")
    assert asked.what == what
    assert asked.macs == (frozenset({MAC}) if named else frozenset())


def test_every_mac_that_a_request_shows_is_told() -> None:
    agent = "Yealink SIP-T46G 28.72.0.1 00:15:65:00:00:01"
    asked = ask("yealink", "GET", f"{MAC}.cfg", agent)
    assert asked.macs == {MAC, "001565000001"}
    assert ask("snom", "GET", "", "", "000413-922D24").macs == {"000413922d24"}
