"""The log of what an overloaded switch refused."""

from types import SimpleNamespace

from world import VirtualLoop

from softswitch.reception.protection import RefusalLog


def test_refused_requests_are_counted_in_the_log_once_a_second():
    told = []
    loop = VirtualLoop()
    log = SimpleNamespace(warning=lambda event, **facts: told.append((event, facts)))
    refusal_log = RefusalLog(loop, log)
    for is_call in (True, True, False):
        refusal_log.refused(is_call)
    loop.call_later(2.5, refusal_log.refused, True)
    loop.call_later(5.0, loop.stop)
    loop.run_forever()
    assert told == [
        ("refused for overload", {"calls": 2, "others": 1}),
        ("refused for overload", {"calls": 1, "others": 0}),
    ]
    loop.close()
