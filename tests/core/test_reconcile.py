"""Two records of the same dossiers set against each other."""

from gateway.core.model import MaHoSo
from gateway.core.reconcile import Differs, DossierDifference, DossierLine, compare


def line(code, state=4):
    return DossierLine(ma_ho_so=MaHoSo(code), trang_thai=state)


def test_differences_are_told_by_dossier_code_with_both_sides():
    theirs = [line("D"), line("B", 2), line("A"), line("F", 9), line("G"), line("H")]
    ours = [line("C"), line("A"), line("B", 4)]
    known = {MaHoSo("F"): line("F", 4), MaHoSo("G"): line("G"), MaHoSo("C"): line("C", 1)}
    assert compare(theirs, ours, known=known) == [
        DossierDifference(ma_ho_so="B", kind=Differs.STATE, theirs=line("B", 2), ours=line("B", 4)),
        DossierDifference(ma_ho_so="C", kind=Differs.MISSING_THERE, theirs=None, ours=line("C")),
        DossierDifference(ma_ho_so="D", kind=Differs.MISSING_HERE, theirs=line("D"), ours=None),
        DossierDifference(ma_ho_so="F", kind=Differs.STATE, theirs=line("F", 9), ours=line("F", 4)),
        DossierDifference(ma_ho_so="H", kind=Differs.MISSING_HERE, theirs=line("H"), ours=None),
    ]


def test_records_that_agree_do_not_differ():
    assert compare([line("A")], [line("A")]) == []
    assert compare([], []) == []
