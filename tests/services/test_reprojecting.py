"""A dossier derived again from its events: our own row and what a party is told end as the events say; where all is equal nothing moves."""

from __future__ import annotations

from pathlib import Path

from cong_quoc_gia import settings
from false_agency import Agency, run
from recorded_lives import PORTAL, Recorded, Teller, portal_where_they_were_filed, same_at_the_end, teller

from gateway.cli.reprojecting import Knows, Reprojection, plan_reprojection, reproject
from gateway.core.model import MaHoSo, PartyId
from gateway.core.told import ToldNews
from gateway.store.compare import compare_with_log

BY = {"who": "operator:lan", "reason": "đổi quy tắc"}


def planned(one: Teller, code: str) -> Reprojection:
    return plan_reprojection(one.store, one.parties, code, lambda _party: lambda _loai: True)


def head(one: Teller) -> int:
    with one.store.read() as view:
        return view.log_head().number


def test_a_dossier_is_put_right_on_record_and_told_again_where_it_differs_and_nothing_moves_where_it_does_not(
    recorded: Recorded, tmp_path: Path
) -> None:
    cong, code, other = portal_where_they_were_filed(recorded), recorded.codes["muc-do-3"], recorded.codes["rut-ho-so"]

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            waits = planned(one, code)
            assert ([p.knows for p in waits.parties], waits.count) == ([Knows.ON_ITS_WAY], 0)
            await one.tell()
            one.clock.forward(hours=1)

            # All is equal: nothing is planned, and doing it all the same writes nothing.
            equal = planned(one, code)
            assert ([(p.party, p.knows) for p in equal.parties], equal.count) == ([(PORTAL, Knows.AGREES)], 0)
            before = head(one)
            assert reproject(one.store, planned(one, code), equal.as_kept(), now=one.clock(), **BY)
            assert head(one) == before

            # The row says what its events do not, and the portal believes something else.
            with one.store.engine.begin() as connection:
                connection.exec_driver_sql(
                    f"UPDATE dossier SET trang_thai = 4, ngay_hen_tra = NULL WHERE ma_ho_so = '{code}'"
                )
            cong.states[code] = "4"
            with one.store.begin() as tx:
                news = ToldNews(believed={"TrangThaiHoSo": "4"})
                tx.tell(PartyId(PORTAL), MaHoSo(code), news, one.clock())
            found = planned(one, code)
            assert (found.differs["trang_thai"], found.differs["ngay_hen_tra"][0]) == (("4", "10"), None)
            assert [(p.knows, p.repair and p.repair.tells["TrangThaiHoSo"]) for p in found.parties] == [
                (Knows.DIFFERS, "10")
            ]
            assert [d.row for d in compare_with_log(one.store).differences] == [code]
            stale = planned(one, other).as_kept()
            assert not reproject(one.store, found, stale, now=one.clock(), **BY)  # not what was agreed to
            assert reproject(one.store, planned(one, code), found.as_kept(), now=one.clock(), **BY)
            assert not reproject(one.store, planned(one, code), found.as_kept(), now=one.clock(), **BY)  # once

            with one.store.read() as view:
                row = view.dossier(code)
                lines = [line for line in view.persons_about(code, 10) if line.who == "operator:lan"]
                assert code in view.touched(before, head(one))  # its rows for counting are made anew, too
            assert row is not None
            assert row.trang_thai == 10
            assert sorted(line.what for line in lines) == ["delivery.retold", "dossier.reprojected"]
            assert compare_with_log(one.store).differences == []
            assert compare_with_log(one.store, after=before).differences == []
            await one.tell(hours=1)
            same_at_the_end(cong, one.record(code), code)
            assert planned(one, code).count == 0

    run(story())
