"""A day's troubles: dossiers of one agency that were refused, some for another cause, a batch that brought back a part."""

import re


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
