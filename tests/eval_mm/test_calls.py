"""Calls to servers: who is asked with which key, how often, how fast, how dear."""

import asyncio

import pytest

from eval_mm.calls.access import OPENAI, access
from eval_mm.calls.cost import share
from eval_mm.calls.faults import Again, Silent, Stop
from eval_mm.calls.pacing import Pacing
from eval_mm.calls.patience import Patience, patiently
from eval_mm.calls.server import retry_after, tokens
from eval_mm.errors import UserError

KEY = "sk-test-4f7d0aa1c2"
QUICK = Patience(tries=4, first=0.001, longest=0.002, most_asked=1.0)


def test_the_server_asks_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards Retry-After in its three forms; anything else is no wait."""
    monkeypatch.setattr("eval_mm.calls.server.time.time", lambda: 1_700_000_000.0)
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:25 GMT"}) == 5.0
    assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:05 GMT"}) == 0.0
    for header in ("", "soon", "-1", "nan", "inf"):
        assert retry_after({"retry-after": header}) is None


def limits(most: int, outcomes: str) -> list[int]:
    """How many calls may be made at once after each: `+` a reply, `-` an overload, `.` another fault."""

    async def learn() -> list[int]:
        pacing, found = Pacing(most), []
        for outcome in outcomes:
            pacing.leave(await pacing.enter(), answered=outcome == "+", overloaded=outcome == "-")
            found.append(pacing.limit)
        return found

    return asyncio.run(learn())


def test_the_pace_is_learnt_from_the_server() -> None:
    """Guards against a crowd before the first reply, and against never slowing down or never recovering."""
    assert limits(4, "+++++") == [2, 3, 4, 4, 4]
    assert limits(8, "+++++++-") == [2, 3, 4, 5, 6, 7, 8, 4]
    assert limits(8, "+++++++-" + "+" * 10)[8:] == [4, 4, 4, 4, 5, 5, 5, 5, 5, 6], "one more a round"
    assert limits(8, "----") == [1, 1, 1, 1], "one call is always made"
    assert limits(8, "+..+") == [2, 2, 2, 3], "a server that breaks down was once asked more for every fault"


def test_the_pace_is_kept() -> None:
    """Many short streams of questions would each begin with a single call."""

    async def second() -> list[int]:
        first = Pacing(8)
        for outcome in "+++-":
            first.leave(await first.enter(), answered=outcome == "+", overloaded=outcome == "-")
        later = [Pacing(8, first), Pacing(1, first)]
        return [pacing.limit for pacing in (first, *later)] + [later[0].times_overloaded]

    assert asyncio.run(second()) == [2, 2, 1, 1]


def test_one_overload_is_one_whoever_met_it() -> None:
    """Eight calls refused together once brought eight calls at a time down to one."""

    async def met() -> tuple[int, int]:
        pacing = Pacing(8)
        for _ in range(8):
            pacing.leave(await pacing.enter(), answered=True)
        entered = [await pacing.enter() for _ in range(8)]
        for ticket in entered:
            pacing.leave(ticket, overloaded=True)
        return pacing.limit, pacing.times_overloaded

    assert asyncio.run(met()) == (4, 1)


def test_never_more_at_once_than_allowed() -> None:
    """Guards the bound: the calls under way are counted while many want in."""

    async def crowd() -> int:
        pacing, under_way, most = Pacing(3), 0, 0

        async def call() -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

        await asyncio.gather(*(patiently(call, QUICK, 5.0, pacing, "the server") for _ in range(40)))
        return most

    assert asyncio.run(crowd()) == 3


def test_patience() -> None:
    """Guards the number of tries, and a wait so long that the run had better come again."""
    tried = 0

    async def fails(fault: Exception) -> None:
        nonlocal tried
        tried += 1
        raise fault

    def ask(fault: Exception) -> None:
        asyncio.run(patiently(lambda: fails(fault), QUICK, 5.0, Pacing(2), "the server"))

    with pytest.raises(Again, match="4 tries failed, the last: busy"):
        ask(Again("busy"))
    assert tried == 4
    with pytest.raises(Stop, match="the server asks to wait 90 seconds"):
        ask(Again("busy", after=90.0))
    assert tried == 5


def test_a_wait_doubles_and_is_as_long_as_asked() -> None:
    """A server that asks for one second again and again was once given up after eight of them."""
    patience = Patience(first=1.0, longest=60.0)
    for failed, asked, least, most in (
        (1, None, 0.5, 1),
        (4, None, 4, 8),
        (9, None, 30, 60),
        (5000, None, 30, 60),
        (1, 7.0, 7, 8),
        (7, 1.0, 30, 60),
    ):
        assert least <= patience.wait(failed, asked) <= most, (failed, asked)


def test_a_server_that_takes_few_calls_answers_all() -> None:
    """One call in twelve is taken: of forty questions most were once given up after eight tries."""
    made = 0

    async def call() -> int:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        if made % 12:
            raise Again("busy", overloaded=True)
        return made

    async def crowd() -> list[int | BaseException]:
        pacing, patience = Pacing(16), Patience(tries=8, first=1e-6, longest=1e-6)
        questions = (patiently(call, patience, 5.0, pacing, "the server") for _ in range(40))
        return await asyncio.gather(*questions, return_exceptions=True)

    found = asyncio.run(crowd())
    # the last questions are alone: nobody's answers show that the server is there
    assert sum(isinstance(one, int) for one in found) >= 38


def test_patience_ends_where_nobody_is_answered() -> None:
    """Guards against asking for ever: other faults, and overload without a reply to anybody, count."""
    tried = 0

    async def asked(fault: Again, others: bool) -> int:
        nonlocal tried
        tried, pacing = 0, Pacing(2)

        async def call() -> None:
            nonlocal tried
            tried += 1
            pacing.num_answered += others and tried < 50
            raise fault

        with pytest.raises(Again, match="4 tries failed"):
            await patiently(call, QUICK, 5.0, pacing, "the server")
        return tried

    assert asyncio.run(asked(Again("busy", overloaded=True), others=False)) == 4
    assert asyncio.run(asked(Again("reset"), others=True)) == 4
    assert asyncio.run(asked(Again("busy", overloaded=True), others=True)) == 52


def test_a_silent_server_is_waited_out_once() -> None:
    """Guards against eight tries of five minutes for every question: silence is that of the server."""
    answers = False

    async def call() -> None:
        if not answers:
            await asyncio.sleep(60)

    async def ask(pacing: Pacing, patience: Patience) -> str:
        try:
            await patiently(call, patience, 0.002, pacing, "the server")
        except Again as fault:
            return f"{type(fault).__name__}: {fault}"
        return "answered"

    async def asked() -> list[str]:
        nonlocal answers
        patience = Patience(tries=8, first=1e-6, longest=1e-6, silence=0.0)
        pacing = Pacing(1)
        found = [await ask(pacing, patience) for _ in range(2)]
        assert pacing.times_overloaded == 4, "three rounds, and then one call for each question"
        answers = True
        found.append(await ask(pacing, patience))
        assert pacing.silent_rounds == 0
        answers = False
        found.append(await ask(pacing, Patience(tries=4, first=1e-6, longest=1e-6)))  # no ten minutes yet
        found.append(await ask(Pacing(1), Patience(tries=1)))
        return found

    alone = "no reply within 0.002 seconds"
    silent = f"Silent: {alone}, and none to any call for 0 seconds"
    last = f"Again: 4 tries failed, the last: {alone}"
    assert asyncio.run(asked()) == [silent, silent, "answered", last, f"Again: {alone}"]
    assert Patience().is_silence(3, 300.0)
    assert not Patience().is_silence(2, 900.0)
    assert not Patience().is_silence(9, 60.0)
    assert issubclass(Silent, Again)


def test_a_halt_wakes_who_waits() -> None:
    """A run that must end may not sleep through a wait of ten minutes first."""

    async def call() -> None:
        raise Again("busy", after=500.0)

    async def halted() -> None:
        pacing = Pacing(1)
        patience = Patience(most_asked=1000.0)
        waiting = [asyncio.create_task(patiently(call, patience, 5.0, pacing, "s")) for _ in range(3)]
        await asyncio.sleep(0.05)
        pacing.halt()
        ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5.0)
        assert all(isinstance(one, Again) for one in ended)

    asyncio.run(halted())


def test_several_processes_share_the_money(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight processes of torchrun were eight times as dear as --max-cost allowed."""
    assert share(4.0) == 4.0
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert share(4.0) == 0.5
    assert share(None) is None


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        ("host/v1", "expected http"),
        ("ftp://host/v1", "expected http"),
        ("http://", "expected http"),
        ("http://host:port/v1", "expected http"),
        ("http://[::1/v1", "expected http"),
        (f"http://user:{KEY}@host/v1", "a key belongs into the environment"),
        (f"http://host/v1?key={KEY}", "a key belongs into the environment"),
    ],
)
def test_addresses_that_are_none(base_url: str, said: str) -> None:
    """Guards the key against standing in an address, which is recorded, and mistyped addresses."""
    with pytest.raises(UserError, match=said) as caught:
        access(base_url, "OPENAI_API_KEY", "a model")
    assert KEY not in str(caught.value)


def test_the_key_and_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the key: from the environment, shown nowhere, sent only where the user said."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="openai:m needs a key in the environment: set OPENAI_API_KEY"):
        access(None, "OPENAI_API_KEY", "--model openai:m")
    for name in ("gsk_4f7d0aa1c2", "OTHER_KEY"):  # keys of some look like names, and stood in the manifest
        with pytest.raises(UserError, match="set the variable that --api-key-env names") as caught:
            access("http://localhost:8000/v1", name, "--model openai:m")
        assert name not in str(caught.value)
    with pytest.raises(UserError, match="expected the name") as caught:
        access(None, KEY, "a model")
    assert KEY not in str(caught.value)
    assert (
        access("http://localhost:8000/v1/", "OPENAI_API_KEY", "a model").base_url
        == "http://localhost:8000/v1"
    )
    monkeypatch.setenv("OTHER_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere/v1")
    found = access(None, "OTHER_KEY", "a model")
    assert (found.base_url, found.key, found.key_name) == (OPENAI, KEY, "$OTHER_KEY")
    assert KEY not in repr(found)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for path in (KEY, "%73" + KEY[1:]):
        with pytest.raises(UserError, match="a key belongs into the environment") as caught:
            access(f"http://host/{path}/v1", "OPENAI_API_KEY", "a model")
        assert KEY not in str(caught.value)
    assert found.hidden(f"I know {KEY}.") == "I know [key]."


def test_a_placeholder_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a local server gets for a key is a word, which was once refused wherever it stood."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert access("http://host/none/v1", "OPENAI_API_KEY", "a model").hidden("none") == "none"
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    assert not access("http://host/v1", "OPENAI_API_KEY", "a model").is_in("EMPTY")


@pytest.mark.parametrize("count", [-1, 1.0, True, "7", None, 10**400])
def test_counts_that_are_none(count: object) -> None:
    """A count too large for a float once ended the run with a traceback when its price was computed."""
    assert tokens({"n": count}, "n") is None
    assert tokens([], "n") is None
    assert tokens({"n": 7}, "n") == 7
