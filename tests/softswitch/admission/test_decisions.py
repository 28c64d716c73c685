"""What is kept of the decisions of a call, and how much room it takes."""

from softswitch.admission.decisions import MAX_OCTETS, Decisions, decoded


def test_what_was_decided_is_read_back_as_it_was():
    decisions = Decisions(
        shown="the line's number",
        left=(("east", "down"), ("west", "no price")),
        tried=(("north", 503), ("south", 200)),
    )
    kept = decisions.encoded("")
    assert kept == (
        '{"s":"the line\'s number","l":[["east","down"],["west","no price"]],'
        '"t":[["north",503],["south",200]]}'
    )
    assert decoded(kept) == decisions


def test_the_rule_that_refused_is_kept():
    kept = Decisions().encoded("routing: the called line is busy")
    assert decoded(kept).rule == "routing: the called line is busy"


def test_a_call_of_which_nothing_was_decided_takes_no_room():
    assert Decisions().encoded("") is None
    assert decoded(None) == Decisions()


def test_a_long_list_loses_the_trunks_that_were_left_and_keeps_the_last_that_was_tried():
    decisions = Decisions(
        shown="the line's number",
        left=tuple((f"trunk-{n:02d}", "no price") for n in range(40)),
        tried=tuple((f"carrier-{n:02d}", 503) for n in range(40)),
    )
    kept = decisions.encoded("call: trunk carrier-39 answered 503")
    assert len(kept.encode()) <= MAX_OCTETS == 300
    found = decoded(kept)
    assert found.left == () and found.tried[0] == ("carrier-00", 503)
    assert found.tried[-1] == ("carrier-39", 503)


def test_long_rules_in_any_script_fit_and_odd_characters_dont_pass():
    kept = Decisions(shown="ნომერი " * 100).encoded("\x00\udc80" + "ж" * 1000)
    assert len(kept.encode()) <= 300
    assert "\x00" not in decoded(kept).rule and decoded(kept).rule.startswith("??ж")


def test_before_anything_rings_the_rule_of_the_number_alone_fits_and_passes_as_later():
    kept = Decisions(shown="\x00" + "ნომერი " * 100, claimed=True).encoded("")
    assert len(kept.encode()) <= 300
    found = decoded(kept)
    assert found.shown.startswith("?ნომერი") and found.claimed
