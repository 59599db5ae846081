"""A day's troubles: dossiers of one agency that were refused, some for another cause, a batch that brought back a part."""

import re
from dataclasses import replace
from datetime import timedelta

from letters import dossier, received

from gateway.core.catalogues import Muc
from gateway.core.model import PartyId
from gateway.services.profiles import to_text
from gateway.services.publishing import publish


def play(office):
    """Plays them; gives the number of the batch, which a second person has approved and of which a part failed again."""
    office.receive("accepted/HS01-nop-ho-so-toi-thieu")
    office.receive("rejected/SIG-001-sua-noi-dung")
    office.receive("accepted/HS01-mo-dung-day-du")
    office.fail(code="DLV-020", most=2)
    office.file(9)
    office.fail(most=8)
    office.clock.forward(minutes=5)
    operator = office.visitor("truc")
    page = operator.get("/nguyen-nhan")
    place = next(n for n, form in enumerate(page.forms("/viec/gui-lai")) if dict(form).get("ma-loi") == "DLV-031")
    done = operator.do(operator.plan(page, "gui-lai", which=place), "gui-lai", reason="bên nhận đã mở lại")
    number = int(re.search(r"/dot/(\d+)", done.source)[1])
    chief = office.visitor("quan-tri")
    chief.do(chief.plan(chief.get(f"/dot/{number}"), "dot-duyet"), "dot-duyet", reason="đồng ý")
    office.work(turns=2)
    office.deliver(most=5)
    office.fail()
    office.work(turns=2, seconds=5)
    office.file(3, first=100)
    return number


def furnish(office):
    """What the pages of figures show: dossiers that are overdue, services that the public may see, a profile that was changed."""
    now, by = office.clock.now, {"who": "operator:lan"}
    for number in range(901, 907):
        filed_at = now - timedelta(days=number - 880)
        letter = dossier(number, at=filed_at)
        office.receive(None, body=letter.body)
        office.receive(None, "so-tu-phap", received(letter.ma_ho_so, at=filed_at + timedelta(days=1)).body)
    service = Muc(ma="DV1", ten="Cấp phiếu lý lịch tư pháp", fields={"MaTTHC": "2.000488.000.00.00.H19", "MucDo": "4"})
    publish(office.store, "DichVu", "1", [service], now=now, **by)
    before = office.room.registry()[0].get(PartyId("so-tu-phap"))
    changed = replace(before, name="Sở Tư pháp tỉnh Đồng Nai", versions={"HS05": ("1.0",)})
    with office.store.begin() as tx:
        tx.apply_parties({before.id: to_text(changed)}, reason="đổi tên, chỉ còn đọc HS05 1.0", now=now, **by)
