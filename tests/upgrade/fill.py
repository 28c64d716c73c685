"""Fills a switch of version 0.1.0 by that version's own commands and calls.

It made the fixtures beside it, and isn't run by tests: its imports are those of the old version.

    git archive b8859b01 | tar x -C OLD
    cd OLD && PYTHONPATH=. python .../tests/upgrade/fill.py FOLDER [POSTGRESQL-URL]

leaves FOLDER/var/softswitch.db, or the tables at the URL; the last call was cut short by a kill, so
that one call and its reservation live. Its switch uses SIPp.
"""

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, "tests/interop")

from switchboard import BEKA, Switchboard, until

from softswitch.cli.main import run

COMMANDS = r"""
account topup 1 20.00 --payment-id second
package define daytime --price 3.00 --term "30 days" \
    --scope on_net --free-minutes 100 --grace "5 days"
package define forever --price 1.00 --term "1 month" --scope all --free-minutes 10 --once
destination set high_risk 882 883
package buy 1 daytime --auto-renew --purchase-id p1
package buy 2 forever --line +995322000102 --purchase-id p2
package buy 1 conference --purchase-id p3
number add +995322990001 --country GE --monthly 5.00 --city Tbilisi
number add +995322990002 --country GE --monthly 2.00
rental order 1 +995322990001 --line +995322000101 --order-id r1
number reach +995322990001 +995322000101 +995322000102 --in-turn
number offer --country GE --monthly 4.00 --days 3-5 --kind mobile --supplier carrier
order add 3 --line +995322000103 --country GE --kind mobile --order-id o1
number wait 3 --country DE
port in +995322770001 --account 1 --from "Other Telecom"
room add 42 --line +995322000101 --pin 8396
voicemail enable +995322000102 --on unreachable --email beka@example.org
voicemail set +995322000102 max_messages 20
wallet offer sms 100 --price 2.00
wallet trial 1 sms
wallet buy 1 sms 100 --purchase-id w1
tax set 18 --from 2027-01
bonus set 0.01
line service set +995322000103 forward_busy +995322000101
line service set +995322000101 withhold_number on
line set +995322000101 pin 4711
line set +995322000102 language ka
line suspend +995322000104
request open 1 correction "my name" --field surname=Beridze
document upload 1 passport.pdf --class identity
account set 1 first_name Ana
account set 1 address "1 Main Street"
account status 4 active
account cap 1 spend_day 20
account fee 2 0.50 --for "studio greeting" --fee-id f1
account refund 3 1.00 --refund-id b1
account set 1 national_code 01001011234
account login 1
tariff set night --currency GEL --time-zone Asia/Tbilisi \
    --interval "night mon-sun 22:00-06:00" --holiday 01-07
tariff import night.csv --name night
account set 3 tariff night
"""
NIGHT = """prefix,destination,connect_fee,per_minute,initial_increment,increment,interval
44,United Kingdom,0.05,0.10,60,60,
44,United Kingdom,0.00,0.04,60,60,night
on_net,Ours,0,0.01,1,1,
"""


def do(folder: Path, command: list[str]) -> bool:
    status = run(["-c", str(folder / "softswitch.toml"), *command])
    if status:
        print("REFUSED:", " ".join(command), file=sys.stderr)
    return status == 0


def call(board, scenario, port, number, login="ana") -> None:
    callee = board.answers(scenario[1], port)
    caller = board.sipp(scenario[0], board.phones[0], login=login, password="secret", number=number)
    board.ends_well(caller)
    board.ends_well(callee)


def main(folder: Path, url: str | None) -> None:
    if url:
        os.environ["SOFTSWITCH_DATABASE__URL"] = url
    folder.mkdir(parents=True)
    os.chdir(folder)
    Switchboard.create(folder)
    (folder / "passport.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    (folder / "night.csv").write_text(NIGHT)
    lines = COMMANDS.replace("\\\n", "").strip().splitlines()
    refused = [line for line in lines if not do(folder, shlex.split(line))]
    board = Switchboard(folder)
    do(folder, ["trunk", "add", "carrier", "--target", f"sip:127.0.0.1:{board.trunk_port}",
                "--prefix", "44", "--tariff", "night"])  # fmt: skip
    board.start()
    board.register("beka", board.phones[1])
    call(board, ("call.xml", "answers.xml"), board.phones[1], BEKA)
    call(board, ("call.xml", "answers.xml"), board.trunk_port, "00442012345678")
    call(board, ("refused_486.xml", "answers_486.xml"), board.phones[1], BEKA)
    callee = board.answers("answers.xml", board.trunk_port)
    caller = board.sipp("call.xml", board.phones[0], "-d", "20000", login="ana", password="secret",
                        number="00442012345678")  # fmt: skip
    until(lambda: board.cli("call", "list"), "it lives")
    time.sleep(4.0)  # it was answered, and its proof of life is stored
    board.process.send_signal(signal.SIGKILL)
    for process in (board.process, caller, callee):
        process.kill()
        process.wait()
    print(json.dumps({"refused": refused}, indent=1), file=sys.stderr)


main(Path(sys.argv[1]).absolute(), sys.argv[2] if len(sys.argv) > 2 else None)
