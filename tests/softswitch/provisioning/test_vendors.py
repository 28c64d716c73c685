"""Configurations of desk phones, read by parsers of others: configparser and ElementTree."""

from __future__ import annotations

import configparser
import xml.etree.ElementTree as ET

import pytest

from softswitch.provisioning import vendors
from softswitch.provisioning.device import PHONES, Phone
from softswitch.provisioning.tokens import password_of
from softswitch.provisioning.vendors import poly
from tests.softswitch.provisioning.devices import LONDON, MAC, TOKEN, settings

NINO_PASSWORD, GIO_PASSWORD = password_of(TOKEN, "dnino"), password_of(TOKEN, "dgio")
ADMIN_PASSWORD = password_of(TOKEN, "admin")
URL = f"https://prov.example.org/d/{TOKEN}/"


def written(kind: Phone, **more: object) -> bytes:
    return vendors.configuration(kind, settings(kind, **more))[1]  # type: ignore[arg-type]


def yealink(**more: object) -> dict[str, str]:
    text = written("yealink", **more).decode()
    head, _, rest = text.partition("\n")
    assert head == "#!version:1.0.0.1"
    parser = configparser.RawConfigParser(strict=True, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string("[all]\n" + rest)
    return dict(parser["all"])


def tree(kind: Phone, **more: object) -> ET.Element:
    return ET.fromstring(written(kind, **more))


def texts(element: ET.Element) -> dict[str, str]:
    return {each.tag: each.text or "" for each in element}


def test_yealink_has_both_accounts_by_tls_with_passwords_of_their_own() -> None:
    found = yealink()
    assert {key: found[f"account.1.{key}"] for key in (
        "enable", "label", "user_name", "auth_name", "password", "sip_server.1.address",
        "sip_server.1.port", "sip_server.1.transport_type", "sip_server.2.address",
        "srtp_encryption", "dtmf.type", "subscribe_mwi",
    )} == {
        "enable": "1", "label": "Nino", "user_name": "995322000001", "auth_name": "dnino",
        "password": NINO_PASSWORD, "sip_server.1.address": "sip1.example.org",
        "sip_server.1.port": "5061", "sip_server.1.transport_type": "2",
        "sip_server.2.address": "sip2.example.org", "srtp_encryption": "1", "dtmf.type": "1",
        "subscribe_mwi": "1",
    }  # fmt: skip
    assert found["account.2.password"] == GIO_PASSWORD != NINO_PASSWORD
    assert found["account.2.label"] == "+995322000002"
    assert (found["account.2.srtp_encryption"], found["account.2.dtmf.type"]) == ("2", "2")


def test_yealink_has_keys_time_phone_book_and_the_permanent_url() -> None:
    found = yealink()
    assert found["static.auto_provision.server.url"] == URL
    assert found["remote_phonebook.data.1.url"] == f"{URL}phonebook.xml"
    assert found["static.security.user_password"] == f"admin:{ADMIN_PASSWORD}"
    assert [found[f"linekey.{n}.type"] for n in (1, 2, 3, 4)] == ["15", "15", "16", "13"]
    assert (found["linekey.3.value"], found["linekey.3.label"]) == ("1002", "Gio")
    assert found["linekey.4.label"] == "+995322000009"
    assert (found["local_time.time_zone"], found["local_time.summer_time"]) == ("+4", "0")
    assert found["voice_mail.number.1"] == "*97"
    assert found["account.1.codec.g722.priority"] == "1"
    assert found["account.1.codec.opus.enable"] == "0"
    assert "static.firmware.url" not in found
    firmware = yealink(firmware="T46G-28.83.0.120.rom")
    assert firmware["static.firmware.url"] == f"{URL}firmware/T46G-28.83.0.120.rom"


def test_yealink_knows_summer_time_by_its_rules() -> None:
    found = yealink(zone=LONDON)
    assert found["local_time.time_zone"] == "0"
    assert found["local_time.start_time"] == "3/5/7/1"
    assert found["local_time.end_time"] == "10/5/7/2"


def test_grandstream_has_p_values_of_both_accounts() -> None:
    found = tree("grandstream")
    assert found.tag == "gs_provision" and found.findtext("mac") == MAC
    config = found.find("config")
    assert config is not None
    values = texts(config)
    assert {name: values[name] for name in ("P271", "P47", "P35", "P36", "P34", "P3", "P33")} == {
        "P271": "1", "P47": "sip1.example.org:5061", "P35": "995322000001", "P36": "dnino",
        "P34": NINO_PASSWORD, "P3": "Nino", "P33": "*97",
    }  # fmt: skip
    assert {name: values[name] for name in ("P401", "P402", "P404", "P405", "P406", "P407")} == {
        "P401": "1", "P402": "sip1.example.org:5061", "P404": "gio", "P405": "dgio",
        "P406": GIO_PASSWORD, "P407": "+995322000002",
    }  # fmt: skip
    assert (values["P130"], values["P183"], values["P443"]) == ("2", "1", "2")
    assert values["P237"] == f"prov.example.org/d/{TOKEN}" and values["P212"] == "2"
    assert (values["P64"], values["P246"]) == ("customize", "<+04>-4")
    assert (values["P323"], values["P302"], values["P303"]) == ("1", "Gio", "1002")
    assert (values["P23000"], values["P23003"], values["P23005"]) == ("1", "1002", "0")
    assert values["P2"] == ADMIN_PASSWORD
    assert (values["P2312"], values["P2412"]) == ("sip2.example.org:5061",) * 2
    assert [values[name] for name in ("P2301", "P2302", "P2303")] == ["0", "1", "0"]
    assert [values[name] for name in ("P2401", "P2402", "P2403")] == ["0", "0", "1"]


def test_snom_has_settings_by_index_and_function_keys() -> None:
    found = tree("snom")
    phone, keys = found.find("phone-settings"), found.find("functionKeys")
    assert phone is not None and keys is not None
    values = {(each.tag, each.get("idx")): each.text or "" for each in phone}
    assert values["user_name", "1"] == "995322000001"
    assert values["user_pname", "1"] == "dnino"
    assert values["user_pass", "1"] == NINO_PASSWORD and values["user_pass", "3"] == GIO_PASSWORD
    assert values["user_host", "1"] == "sip.example.org"
    assert values["user_outbound", "1"] == "sip:sip1.example.org:5061;transport=tls"
    assert (values["user_savp", "1"], values["user_savp", "3"]) == ("optional", "mandatory")
    assert values["setting_server", None] == f"{URL}{{mac}}.xml"
    assert (values["utc_offset", None], values["dst", None]) == ("+14400", "")
    assert [(each.get("idx"), each.text) for each in keys] == [
        ("0", "line"), ("1", "line"), ("2", "blf sip:1002@sip.example.org"),
        ("3", "speed +995322000009"),
    ]  # fmt: skip
    summer = tree("snom", zone=LONDON).find("phone-settings/dst")
    assert summer is not None and summer.text == "3600 03.05.07 01:00:00 10.05.07 02:00:00"


def test_a_second_server_takes_a_second_identity_of_a_snom() -> None:
    found = tree("snom")
    phone, keys = found.find("phone-settings"), found.find("functionKeys")
    assert phone is not None and keys is not None
    values = {(each.tag, each.get("idx")): each.text or "" for each in phone}
    for first, second, password in (("1", "2", NINO_PASSWORD), ("3", "4", GIO_PASSWORD)):
        assert values["user_failover_identity", first] == second
        assert ("user_failover_identity", second) not in values
        assert values["user_outbound", second] == "sip:sip2.example.org:5061;transport=tls"
        assert values["user_pass", first] == values["user_pass", second] == password
    assert [each.get("context") for each in keys][:2] == ["1", "3"]
    alone = tree("snom", backup_server="").find("phone-settings")
    assert alone is not None
    names = {(each.tag, each.get("idx")): each.text or "" for each in alone}
    assert names["user_pass", "2"] == GIO_PASSWORD
    assert not any(tag == "user_failover_identity" for tag, _ in names)


def test_fanvil_has_lines_keys_and_the_permanent_url() -> None:
    found = tree("fanvil")
    line = found.find("sip/line[@index='1']")
    assert found.tag == "sysConf" and line is not None
    values = texts(line)
    assert (values["PhoneNumber"], values["RegisterUser"], values["RegisterPswd"]) == (
        "995322000001", "dnino", NINO_PASSWORD,
    )  # fmt: skip
    assert (values["RegisterAddr"], values["RegisterPort"], values["Transport"]) == (
        "sip1.example.org", "5061", "3",
    )  # fmt: skip
    assert found.findtext("ap/FlashServerIP") == URL.rstrip("/")
    assert found.findtext("ap/FlashProtocol") == "5"
    assert found.findtext("phone/date/TimeZone") == "16"
    keys = found.findall("dsskey/internal/Fkey")
    assert [(each.findtext("Type"), each.findtext("Value")) for each in keys] == [
        ("2", "SIP1"), ("2", "SIP2"), ("1", "1002@1/ba"), ("1", "+995322000009@1/f"),
    ]  # fmt: skip
    summer = tree("fanvil", zone=LONDON)
    assert summer.findtext("phone/date/DSTStartWeek") == "-1"
    assert summer.findtext("phone/date/DSTStartWday") == "1"


def test_poly_has_a_master_that_names_the_phones_file() -> None:
    master = ET.fromstring(poly.master(None))
    assert master.tag == "APPLICATION"
    assert master.get("CONFIG_FILES") == "phone[PHONE_MAC_ADDRESS].cfg"
    found = tree("poly").find("softswitch")
    assert found is not None
    assert (found.get("reg.1.address"), found.get("reg.1.auth.userId")) == (
        "995322000001", "dnino",
    )  # fmt: skip
    assert found.get("reg.1.auth.password") == NINO_PASSWORD
    assert found.get("reg.2.srtp.require") == "1" and found.get("reg.1.srtp.require") == "0"
    assert found.get("reg.1.server.1.transport") == "TLS"
    assert found.get("attendant.resourceList.1.address") == "1002"
    assert found.get("device.prov.serverName") == URL.rstrip("/")
    assert found.get("tcpIpApp.sntp.gmtOffset") == "14400"


def test_cisco_spa_has_a_flat_profile() -> None:
    found = tree("cisco_spa")
    values = texts(found)
    assert found.tag == "flat-profile"
    assert (values["User_ID_1_"], values["Auth_ID_1_"], values["Password_1_"]) == (
        "995322000001", "dnino", NINO_PASSWORD,
    )  # fmt: skip
    assert (values["Proxy_1_"], values["SIP_Transport_1_"]) == ("sip1.example.org:5061", "TLS")
    assert values["Profile_Rule"] == f"{URL}$MA.xml"
    assert values["Time_Zone"] == "GMT+04:00"
    assert values["Extended_Function_3_"] == "fnc=sd+blf+cp;sub=1002@$PROXY"
    assert (values["Extension_1_"], values["Extension_3_"]) == ("1", "Disabled")
    summer = texts(tree("cisco_spa", zone=LONDON))["Daylight_Saving_Time_Rule"]
    assert summer == "start=3/-1/7/1:0:0;end=10/-1/7/2:0:0;save=1:0:0"


@pytest.mark.parametrize("kind", PHONES)
def test_the_same_settings_give_the_same_octets(kind: Phone) -> None:
    assert written(kind) == written(kind)
    assert written(kind) != written(kind, port=5062)


@pytest.mark.parametrize("kind", PHONES)
def test_a_phone_gets_no_encryption_of_sound_where_its_keys_would_be_read(kind: Phone) -> None:
    assert settings(kind, transport="udp").accounts[0].srtp == "off"
    assert written(kind, transport="udp") != written(kind)
