"""The configuration file: defaults, overrides, and errors that say where and what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sip.transport.settings import KeyPair
from softswitch.config import faults
from softswitch.config.config import Config, ConfigError, load
from softswitch.config.values import Advertised, Listen, PortRange

MINIMAL = '[switch]\ndomain = "sip.example.org"\ncountry = "GE"\ncurrency = "GEL"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "softswitch.toml"


def read(file: Path, text: str, **environment: str) -> Config:
    file.write_text(text)
    return load(file, environment)


def refusal(file: Path, text: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(file, text, **environment)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(file.parent) + "/")


def test_three_keys_are_enough(file: Path) -> None:
    config = read(file, MINIMAL)
    assert config.realm == "sip.example.org"
    assert config.sip.listen == (
        Listen("udp", "127.0.0.1", 5060),
        Listen("tcp", "127.0.0.1", 5060),
    )
    assert config.media.ports == PortRange(20000, 29999)
    assert config.media_address == "127.0.0.1"
    assert config.sip.algorithms == ("SHA-256", "MD5")
    assert config.sip.invite_challenge == 401
    assert config.codes.by_code()["1111"] == "balance"


def test_paths_are_meant_from_the_files_folder(file: Path) -> None:
    config = read(file, MINIMAL)
    assert config.data_dir == file.parent / "var"
    assert config.database_file == file.parent / "var" / "softswitch.db"
    assert config.control_socket.parent == config.data_dir
    server = read(
        file, MINIMAL + '[database]\nurl = "postgresql://switch:secret@db.example.org/softswitch"\n'
    )
    assert server.database_file is None
    assert server.database_name == "postgresql://switch@db.example.org/softswitch"
    elsewhere = read(file, MINIMAL + '[database]\nurl = "sqlite:////srv/switch.db"\n')
    assert elsewhere.database_file == Path("/srv/switch.db")


def test_ipv6_listeners(file: Path) -> None:
    config = read(file, MINIMAL + '[sip]\nlisten = ["udp:[::1]:5070"]\n')
    assert config.sip.listen == (Listen("udp", "::1", 5070),)
    assert str(config.sip.listen[0]) == "udp:[::1]:5070"
    assert config.media_address == "::1"


def test_environment_stands_above_the_file(file: Path) -> None:
    config = read(
        file,
        MINIMAL + "[sip]\nmax_contacts = 3\n",
        SOFTSWITCH_SIP__MAX_CONTACTS="7",
        SOFTSWITCH_SIP__LISTEN="udp:127.0.0.1:5080, tcp:127.0.0.1:5081",
        SOFTSWITCH_SIP__ALGORITHMS="MD5",
        SOFTSWITCH_MEDIA__PORTS="30000-30999",
        SOFTSWITCH_HOME="/not/a/section",
        OTHER_SIP__REALM="x",
    )
    assert config.sip.max_contacts == 7
    assert [listen.port for listen in config.sip.listen] == [5080, 5081]
    assert config.sip.algorithms == ("MD5",)
    assert config.media.ports == PortRange(30000, 30999)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sip]\nlisen = []\n", "softswitch.toml:6: [sip] lisen: there is no such key; did you"
         " mean 'listen'?"),
        ("[spi]\nlisten = []\n", "softswitch.toml:5: [spi]: there is no such section; did you mean"
         " 'sip'?"),
        ("\n[calls]\n# so long\njournal_seconds = 0\n", "softswitch.toml:8: [calls] journal_second"
         "s: input should be greater than or equal to 1, not 0"),
        ('[sip]\nlisten = ["sctp:127.0.0.1:5061"]\n', "softswitch.toml:6: [sip] listen: "
         "'sctp:127.0.0.1:5061' must look like udp:127.0.0.1:5060 or tls:[::1]:5061; transports are"
         " udp, tcp, tls, ws, wss"),
        ('[sip]\nlisten = ["tls:127.0.0.1:5061"]\n', "softswitch.toml:1: [sip] listen"
         " tls:127.0.0.1:5061 needs [tls] certificates"),
        ('[tls]\ncertificates = [":key.pem"]\n', "softswitch.toml:6: [tls] certificates: "
         "':key.pem' must look like tls/fullchain.pem:tls/privkey.pem"),
        ('[guard]\nexempt = ["10.0.0.1/8"]\n', "softswitch.toml:6: [guard] exempt: '10.0.0.1/8' is"
         " no network like 192.0.2.0/24: 10.0.0.1/8 has host bits set"),
        ('[guard]\nburst = 0\n', "softswitch.toml:6: [guard] burst: input should be greater than or"
         " equal to 1, not 0"),
        ('[sip]\nlisten = ["udp:switch.example:5060"]\n', "softswitch.toml:6: [sip] listen: "
         "'switch.example' in 'udp:switch.example:5060' must be a numeric IP address"),
        ('[media]\nports = "20000-20002"\n', "softswitch.toml:6: [media] ports: '20000-20002' is "
         "too small: one call needs four ports"),
        ('[sip]\nalgorithms = ["MD5", "MD5"]\n', "softswitch.toml:6: [sip] algorithms: needs at "
         "least one entry, and none twice"),
        ('[sip]\naliases = ["sip:other.example"]\n', "softswitch.toml:6: [sip] aliases:"
         " 'sip:other.example' must be a host like sip.example.com, without sip: and port"),
        ('[codes]\necho = "112"\n', "softswitch.toml:1: [codes] echo = '112' is an emergency"
         " number"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_key(file: Path, text: str, expected: str) -> None:
    assert refusal(file, MINIMAL + text) == expected


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ('country = "Georgia"', "country", "write two capital letters, such as GE, not 'Georgia'"),
        ('currency = "lari"', "currency", "write three capital letters, such as GEL, not 'lari'"),
        ('language = "KA"', "language", "write two small letters, such as ka, not 'KA'"),
    ],
)
def test_a_value_of_the_wrong_form_is_told_what_to_write(
    file: Path, line: str, key: str, expected: str
) -> None:
    kept = [each for each in MINIMAL.splitlines() if not each.startswith(f"{key} ")]
    told = refusal(file, "\n".join([kept[0], line, *kept[1:]]) + "\n")
    assert told == f"softswitch.toml:2: [switch] {key}: {expected}"


def test_each_pattern_of_a_setting_has_words() -> None:
    folder = Path(faults.__file__).parent
    patterns = {
        pattern
        for path in folder.glob("*.py")
        for pattern in re.findall(r'pattern=r"([^"]+)"', path.read_text("utf-8"))
    }
    assert patterns == set(faults.WORDS_OF_PATTERNS)


def test_errors_of_the_environment_name_the_variable(file: Path) -> None:
    message = refusal(file, MINIMAL, SOFTSWITCH_MEDIA__WORKRES="2")
    assert message == (
        "SOFTSWITCH_MEDIA__WORKRES: [media] workres: there is no such key; did you mean 'workers'?"
    )


def test_a_socket_on_every_address_needs_an_advertised_one(file: Path) -> None:
    everywhere = MINIMAL + '[sip]\nlisten = ["udp:0.0.0.0:5060"]\n'
    assert "needs [sip] advertise" in refusal(file, everywhere)
    assert "[media] address is needed" in refusal(file, everywhere + 'advertise = "sip.test"\n')
    config = read(file, everywhere + 'advertise = "192.0.2.1:5099"\n')
    assert config.media_address == "192.0.2.1"
    assert config.sip.advertise == (Advertised("192.0.2.1", 5099),)


def test_each_ip_version_may_have_its_advertised_address(file: Path) -> None:
    both = MINIMAL + '[sip]\nlisten = ["udp:0.0.0.0:5060", "udp:[::]:5060"]\n'
    assert "listen udp:[::]:5060 needs" in refusal(file, both + 'advertise = "192.0.2.1"\n')
    sip = read(file, both + 'advertise = ["192.0.2.1:5099", "[2001:db8::1]"]\n').sip
    assert sip.advertised_for("udp", "0.0.0.0") == ("192.0.2.1", 5099)
    assert sip.advertised_for("tls", "0.0.0.0") == ("192.0.2.1", None)
    assert sip.advertised_for("udp", "::") == ("2001:db8::1", None)
    named = read(file, both + 'advertise = "sip.test"\n[media]\naddress = "192.0.2.1"\n').sip
    assert named.advertised_for("udp", "::") == named.advertised_for("udp", "1.2.3.4")


def test_certificates_are_meant_from_the_files_folder(file: Path) -> None:
    text = MINIMAL + '[sip]\nlisten = ["tls:127.0.0.1:5061"]\n[tls]\n'
    config = read(file, text + 'certificates = ["tls/chain.pem:tls/key.pem", "/etc/both.pem"]\n')
    folder = file.parent
    settings = config.tls.settings()
    assert settings is not None
    assert settings.pairs == (
        KeyPair(folder / "tls/chain.pem", folder / "tls/key.pem"),
        KeyPair(Path("/etc/both.pem"), Path("/etc/both.pem")),
    )
    again = read(file, text, SOFTSWITCH_TLS__CERTIFICATES="a.pem:b.pem,c.pem")
    assert len(again.tls.certificates) == 2


def test_missing_broken_and_incomplete_files(file: Path) -> None:
    with pytest.raises(ConfigError, match="run `softswitch init` to create it"):
        load(file, {})
    assert "not valid TOML" in refusal(file, "[switch\n")
    assert refusal(file, '[switch]\ndomain = "x"\ncurrency = "GEL"\n') == (
        "softswitch.toml:1: [switch] country: is missing; add it to the file"
    )


def test_every_section_refuses_what_it_does_not_know(file: Path) -> None:
    for section in ("sip", "media", "calls", "numbers", "codes", "database", "portal", "log"):
        message = refusal(file, f"{MINIMAL}[{section}]\nnonsense_xyz = 1\n")
        assert message.startswith(f"softswitch.toml:6: [{section}] nonsense_xyz: there is no such")


def test_where_messages_are_copied_to(file: Path) -> None:
    assert read(file, MINIMAL).trace.hep is None
    config = read(file, MINIMAL + '[trace]\nhep = "udp:homer.example.org:9060"\n')
    assert config.trace.hep == ("homer.example.org", 9060)
    config = read(file, MINIMAL, SOFTSWITCH_TRACE__HEP="udp:[2001:db8::9]:9060")
    assert config.trace.hep == ("2001:db8::9", 9060)
    for broken in ("homer:9060", "udp:homer", "tcp:homer:9060", "udp:homer:70000"):
        assert "[trace] hep" in refusal(file, MINIMAL + f'[trace]\nhep = "{broken}"\n')


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("trunks", "ping_seconds = 9"),
        ("trunks", "ping_seconds = -1"),
        ("trunks", "ping_seconds = 3601"),
        ("trace", "megabytes = -1"),
        ("events", 'watch_lines = "everybody"'),
    ],
)
def test_limits_of_watching(file: Path, section: str, line: str) -> None:
    key = line.partition(" ")[0]
    assert f"[{section}] {key}" in refusal(file, MINIMAL + f"[{section}]\n{line}\n")
    assert read(file, MINIMAL + "[trunks]\nping_seconds = 0\n").trunks.ping_seconds == 0
