"""Who may say what: every cell of the table of pairs, tried on a dossier received at one agency and handled at another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from arrivals import arrival

from gateway.core.model import Address, Fate
from gateway.core.parties import Parties, Party, Receives, Role, SignatureDemand, SignaturePolicy
from gateway.core.rights import ANYBODY, TABLE, Standing
from gateway.services.intake import receive
from gateway.wiring import OURSELVES
from schemas.fresh import Size, fresh

OWNER, HANDLER, COPY, OTHER, PORTAL, PORTAL_2, AUDITOR = "a", "b", "c", "d", "cong", "cong-2", "thanh-tra"
CODES = {
    OWNER: "H19.701",
    HANDLER: "H19.702",
    COPY: "H19.703",
    OTHER: "H19.704",
    PORTAL: "H19.801",
    PORTAL_2: "H19.802",
    AUDITOR: "H19.851",
}
ROLES = {PORTAL: Role.PORTAL, PORTAL_2: Role.PORTAL, AUDITOR: Role.OVERSIGHT, OURSELVES: Role.GATEWAY}
#: Who stands how. No portal handles a dossier or gets copies, no agency is a portal: the table has no such lines (below).
SENDERS = {
    (Role.ONE_STOP, Standing.OWNER): OWNER,
    (Role.ONE_STOP, Standing.HANDLER): HANDLER,
    (Role.ONE_STOP, Standing.COPY): COPY,
    (Role.ONE_STOP, Standing.STRANGER): OTHER,
    (Role.PORTAL, Standing.PORTAL): PORTAL,
    (Role.PORTAL, Standing.STRANGER): PORTAL_2,
    (Role.OVERSIGHT, Standing.STRANGER): AUDITOR,
    (Role.GATEWAY, Standing.STRANGER): OURSELVES,
}
RECEIVERS = {
    Role.ONE_STOP: (HANDLER, OWNER),
    Role.PORTAL: (PORTAL, PORTAL_2),
    Role.OVERSIGHT: (AUDITOR,),
    Role.GATEWAY: (OURSELVES,),
}


@pytest.fixture(scope="module")
def desk(bare_gate):
    """A gate whose parties are believed on the word of the channel: what is tried here is rights, not signatures."""
    unsigned = SignaturePolicy(default=SignatureDemand.OFF)
    ours = replace(bare_gate.parties.get(OURSELVES), signature=unsigned)
    others = [
        Party(
            id=party,
            name=party,
            role=ROLES.get(party, Role.ONE_STOP),
            identifiers=(code,),
            receives=Receives.PULL,
            signature=unsigned,
        )
        for party, code in CODES.items()
    ]
    return replace(bare_gate, parties=Parties([*others, ours]))


class Office:
    """Sends letters and looks at what came of them."""

    def __init__(self, gate):
        self.gate = gate
        self.minute = 0
        self.now = datetime.now(UTC)

    def code(self, owner=OWNER, number=None):
        self.minute += number is None
        return f"{CODES[owner]}-{self.now:%y%m%d}-{number or self.minute:04d}"

    def letter(self, loai, goc, sender, to, code, **values):
        self.minute += 1
        identity = self.gate.parties.get(sender).identifiers[0]
        receivers = [Address(ma_dinh_danh=self.gate.parties.get(one).identifiers[0]) for one in to]
        if goc == "ChuyenHoSo":
            values |= {"DonViNhan": receivers[0].ma_dinh_danh, "DonViChuyen": identity}
        if goc == "ThuHoiThongDiep":
            values |= {"MaHoSo": code}
        at = self.now - timedelta(hours=2) + timedelta(seconds=self.minute)
        if goc == "CapNhatTienDo":  # in the order in which it is told
            values |= {"ThoiDiemXuLy": at}
        body = fresh(
            loai,
            goc=goc,
            ma_ho_so=code,
            seed=self.minute,
            at=at,
            size=Size.SMALL,
            noi_gui=Address(ma_dinh_danh=identity),
            noi_nhan=receivers,
            values=values,
        )
        return arrival(body, sender, self.now)

    def send(self, *letters):
        return receive(letters, self.gate, self.now)

    def tell(self, loai, goc, sender, to, code, **values):
        (answer,) = self.send(self.letter(loai, goc, sender, to, code, **values))
        return answer

    def dossier(self, code):
        with self.gate.store.read() as view:
            return view.dossier(code)

    def effects(self):
        """All that a message can have caused: events, deliveries, places in inboxes."""
        with self.gate.store.read() as view:
            inboxes = [view.head(party) for party in (*CODES, OURSELVES)]
            changes = [len(dossier.changes) for dossier in view.dossiers()]
            return changes, inboxes, len(view.deliveries())

    def received_here_handled_there(self):
        """A dossier under OWNER's code, handled by HANDLER, with a copy at COPY; in state 2."""
        code = self.code()
        filed = self.tell(
            "HS01", "NopHoSo", OWNER, [HANDLER, PORTAL], code, TrangThaiHoSo="2", NgayTiepNhan=self.now - timedelta(hours=3),
            DonViXuLy="B", NgayNopHoSo=self.now - timedelta(hours=4),
        )  # fmt: skip
        copied = self.tell("HS14", "ChuyenHoSo", HANDLER, [COPY], code)
        assert [filed.fate, copied.fate] == [Fate.ACCEPTED] * 2, (filed.problems, copied.problems)
        return code


def refused(answer):
    """The codes of a refusal for want of the right to say it; to which states it may lead is AUT-023's."""
    return [
        problem.code for problem in answer.problems if problem.code.startswith("AUT-") and problem.code != "AUT-023"
    ]


@pytest.fixture
def office(desk, sqlite_store):
    return Office(replace(desk, store=sqlite_store))


@pytest.mark.threat("T-SQUAT")
@pytest.mark.parametrize(("loai", "goc"), sorted(TABLE), ids=lambda one: one)
def test_every_cell_of_the_table_is_as_it_says(loai, goc, office):
    rights, code = TABLE[loai, goc], office.received_here_handled_there()
    wrong, tried, known = [], 0, None  # known: all effects there are, until something may have had one
    for (sender_role, standing), sender in SENDERS.items():
        for receiver_role, candidates in RECEIVERS.items():
            receiver = next((one for one in candidates if one != sender), None)
            if receiver is None:
                continue
            pair = rights.between(sender_role, receiver_role)
            may = pair is not None and standing in pair.may
            known = None if may else known or office.effects()
            answer = office.tell(loai, goc, sender, [receiver], code)
            tried += 1
            if bool(refused(answer)) == may:
                wrong.append((sender_role, standing, receiver_role, may, [p.code for p in answer.problems]))
            if not may and (answer.fate is not Fate.REJECTED or office.effects() != known):
                wrong.append((sender_role, standing, receiver_role, "moved something"))
    assert (wrong, tried) == ([], 30)


def test_the_table_has_no_line_that_nobody_can_stand_in():
    possible = {
        Role.PORTAL: {Standing.OWNER, Standing.PORTAL, Standing.STRANGER},
        Role.ONE_STOP: set(Standing) - {Standing.PORTAL},
    }
    for rights in TABLE.values():
        for pair in rights.pairs:
            about_a_dossier = set(pair.may) != set(ANYBODY) and len(pair.may) < len(Standing) - 1
            assert not about_a_dossier or set(pair.may) <= possible[pair.sender], pair
            assert pair.opens <= {Standing.OWNER, Standing.STRANGER}


OPENERS = [
    (sender, receiver, whose)
    for sender in (OWNER, PORTAL)
    for receiver in (HANDLER, PORTAL_2)
    for whose in ("own", "receiver's", "a third one's", "nobody's")
]


@pytest.mark.threat("T-SQUAT")
@pytest.mark.parametrize(("sender", "receiver", "whose"), OPENERS)
def test_a_dossier_is_opened_only_by_whose_code_it_is_or_by_a_portal(sender, receiver, whose, office):
    owner = {"own": sender, "receiver's": receiver, "a third one's": OTHER}.get(whose)
    code = f"H19.999-{office.now:%y%m%d}-0001" if owner is None else office.code(owner)
    pair = TABLE["HS01", "NopHoSo"].between(ROLES.get(sender, Role.ONE_STOP), ROLES.get(receiver, Role.ONE_STOP))
    standing = Standing.OWNER if whose == "own" else Standing.STRANGER
    may = pair is not None and standing in pair.opens
    answer = office.tell("HS01", "NopHoSo", sender, [receiver], code)
    assert (answer.fate is Fate.ACCEPTED) == may, answer.problems
    assert (office.dossier(code) is not None) == may
    if pair is not None and not may:
        assert refused(answer) == ["AUT-021"]


def step(office, code, sender, state):
    return office.tell(
        "HS05", "CapNhatTienDo", sender, [PORTAL], code, TrangThai=str(state), NoiDungXuLy="theo quy định"
    )


@pytest.mark.parametrize("state", range(1, 11))
def test_the_receiving_office_brings_a_dossier_to_its_own_states_only(state, office):
    code = office.received_here_handled_there()
    assert step(office, code, HANDLER, 4).fate is Fate.ACCEPTED
    answer = step(office, code, OWNER, state)
    told = [problem.code for problem in answer.problems]
    if state in (2, 3, 5, 10):  # what it may say; whether the dossier can get there is the life's business
        assert "AUT-023" not in told
    elif state == 4:  # where it is already
        assert (answer.fate, told) == (Fate.ACCEPTED, [])
    else:
        assert set(told) <= {"AUT-023", "DOS-010", "DOS-011", "DOS-013"}
        assert office.dossier(code).trang_thai == 4


def test_the_receiving_office_cannot_finish_but_hands_over_what_the_handler_finished(office):
    code = office.received_here_handled_there()
    step(office, code, HANDLER, 4)
    done = {"NgayKetThucXuLy": office.now - timedelta(minutes=30), "NgayTra": office.now - timedelta(minutes=20)}
    early = office.tell("HS11", "TraKetQua", OWNER, [PORTAL], code, **done)
    assert [problem.code for problem in early.problems] == ["AUT-023"]
    assert "9 (" in early.problems[0].facts["to"]
    finished = office.tell("HS11", "TraKetQua", HANDLER, [PORTAL], code, NgayKetThucXuLy=done["NgayKetThucXuLy"])
    assert finished.fate is Fate.ACCEPTED, finished.problems
    handed = office.tell("HS11", "TraKetQua", OWNER, [PORTAL], code, **done)
    assert (handed.fate, office.dossier(code).trang_thai) == (Fate.ACCEPTED, 10), handed.problems


def test_a_move_that_waits_for_earlier_news_is_no_way_round(office):
    code = office.received_here_handled_there()
    answer = office.tell("HS05", "CapNhatTienDo", OWNER, [PORTAL], code, TrangThai="10", ThuTu=7)
    assert answer.fate is Fate.ACCEPTED, "state 10 is its to say; it waits for the handler's 9"
    late = office.tell("HS05", "CapNhatTienDo", OWNER, [PORTAL], code, TrangThai="9", ThuTu=6)
    assert [problem.code for problem in late.problems] == ["AUT-023"]


def test_the_code_of_a_dossier_filed_with_another_agency_is_told_to_be_taken(office):
    code = office.code(OWNER)
    assert office.tell("HS01", "NopHoSo", PORTAL, [HANDLER], code).fate is Fate.ACCEPTED
    assert refused(office.tell("HS01", "NopHoSo", OWNER, [PORTAL], code)) == ["AUT-024"]


@pytest.mark.parametrize("goc", ["NopHoSo", "CapNhatTienDo", "TraKetQua", "ThuHoiThongDiep", "KetQuaChuyen"])
def test_a_stranger_learns_nothing_of_which_codes_there_are(goc, office):
    loai = next(loai for loai, one in TABLE if one == goc)
    there = office.received_here_handled_there()
    not_there = there[:-4] + "9999"
    to = [HANDLER] if goc in ("KetQuaChuyen", "ThuHoiThongDiep") else [PORTAL]
    told = []
    for code in (there, not_there):
        answer = office.tell(loai, goc, OTHER, to, code)
        (problem,) = answer.problems
        facts = {name: str(value).replace(code, "…") for name, value in problem.facts.items()}
        told.append((answer.fate, problem.code, facts, problem.at.xpath, problem.at.line, problem.at.column))
    assert told[0] == told[1]


def test_what_a_stranger_says_waits_in_no_dossiers_lane(office):
    code = office.received_here_handled_there()
    push = [replace(p, receives=Receives.PUSH) if p.id == HANDLER else p for p in office.gate.parties]
    office.gate = replace(office.gate, parties=Parties(push))
    own = office.tell("HS17", "TraCuuHoSo", PORTAL, [HANDLER], code, MaHoSo=code)
    strange = office.tell("HS17", "TraCuuHoSo", OTHER, [HANDLER], code, MaHoSo=code)
    with office.gate.store.read() as view:
        lanes = [view.deliveries(message=answer.message)[0].lane for answer in (own, strange)]
    assert lanes == [code, strange.message]


def test_a_copy_goes_to_nobody_who_does_not_get_it(office):
    """DonViNhan names one agency, NoiNhan another: the one that was only named gains no say."""
    code = office.received_here_handled_there()
    letter = office.letter("HS14", "ChuyenHoSo", HANDLER, [COPY], code)
    named = letter.body.replace(f"<hs:DonViNhan>{CODES[COPY]}".encode(), f"<hs:DonViNhan>{CODES[OTHER]}".encode())
    assert named != letter.body
    (answer,) = office.send(arrival(named, HANDLER, office.now))
    assert answer.fate is Fate.ACCEPTED, answer.problems
    assert OTHER not in office.dossier(code).parties


def test_a_released_code_is_opened_anew_and_its_old_events_stay(office):
    code = office.code(OWNER)
    office.tell("HS01", "NopHoSo", PORTAL, [HANDLER], code)
    office.tell("HS03", "TiepNhanHoSo", HANDLER, [PORTAL], code)
    with office.gate.store.begin() as tx:
        assert tx.release(code, who="operator:An", reason="mã bị chiếm", now=office.now) == 2
    assert office.dossier(code).changes == ()
    assert refused(office.tell("HS05", "CapNhatTienDo", HANDLER, [PORTAL], code)) == ["AUT-020"]
    again = office.tell("HS01", "NopHoSo", OWNER, [PORTAL], code)
    assert again.fate is Fate.ACCEPTED, again.problems
    dossier = office.dossier(code)
    assert (dossier.agency, dossier.portal, [c.number for c in dossier.changes]) == (OWNER, PORTAL, [3])
    assert step(office, code, OWNER, 2).fate is Fate.ACCEPTED
    with office.gate.store.read() as view:
        assert [change.number for change in view.changes(code)] == [1, 2, 3, 4]
        (line,) = [entry for entry in view.log() if entry.what == "dossier.released"]
    assert (line.who, line.facts["reason"], line.facts["ma_ho_so"], line.facts["events"]) == (
        "operator:An",
        "mã bị chiếm",
        code,
        2,
    )
