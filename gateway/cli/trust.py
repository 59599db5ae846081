"""trust forecast | show | refresh: what is known of certificates, and what stops working on which day."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, Group, LazyCommand, command, option
from gateway.cli.find import legend
from gateway.cli.run import refresh_trust
from gateway.cli.show import Screen, when
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang

if TYPE_CHECKING:
    from gateway.core.parties import SigningCertificate
    from signing.trust import CertificateStanding

trust = Group(
    "trust",
    default="forecast",
    entries={
        "forecast": LazyCommand(
            "gateway.cli.trust:forecast",
            "Dự báo ngày hết hiệu lực của các thành phần.",
            "What stops working on which day.",
        ),
        "show": LazyCommand(
            "gateway.cli.trust:show", "Tình trạng từng chứng thư đã đăng ký.", "The status of each certificate."
        ),
        "refresh": LazyCommand(
            "gateway.cli.trust:refresh", "Tra cứu lại mọi chứng thư ngay.", "Ask about every certificate now."
        ),
    },
    vi="Chứng thư và cây tin cậy. Không nêu lệnh con: dự báo ngày hết hiệu lực của các thành phần.",
    en="Certificates and trust trees. Without a command: the forecast of what stops working on which day.",
)

KINDS = {
    "certificate": ("chứng thư ký", "signing certificate"),
    "registration": ("đăng ký chứng thư", "registration"),
    "evidence": ("bằng chứng tình trạng", "status evidence"),
    "anchor": ("chứng thư gốc", "root"),
    "intermediate": ("chứng thư trung gian", "intermediate"),
    "tree": ("cây tin cậy", "trust tree"),
    "own": ("chứng thư của trục", "the gateway's certificate"),
}


STATUS_WORDS = {"good": "hợp lệ", "bad": "không hợp lệ", "unknown": "chưa rõ"}
#: Why a certificate stands as it does. In English the words of the record itself are shown.
REASON_WORDS = {
    "registered": "đã đăng ký, không qua cây tin cậy",
    "no-tree": "không có cây tin cậy này",
    "tree-not-in-force": "cây tin cậy không còn hiệu lực",
    "not-checked-yet": "chưa tra cứu",
    "evidence-expired": "bằng chứng đã hết hạn",
    "evidence-unusable": "bằng chứng không dùng được",
    "source-down": "nguồn không trả lời",
    "no-path": "không có đường dẫn tới chứng thư gốc",
    "revoked": "đã bị thu hồi",
    "revoked-later": "bị thu hồi sau thời điểm này",
    "grace": "trong thời gian gia hạn",
    "good-by-crl": "theo CRL",
    "good-by-ocsp": "theo OCSP",
}


@command(
    "forecast",
    vi="Ngày hết hiệu lực của các thành phần, theo từng bên, kể cả chứng thư gốc và CRL; gần nhất trước. Mã "
    "thoát 1 khi có thành phần đã hết hiệu lực mà không có thành phần thay thế.",
    en="What stops working on which day, by party, roots and CRLs included; the nearest first. Exit 1 when something "
    "is "
    "over and nothing stands in for it.",
)
@option(
    "--within",
    type=click.IntRange(min=0),
    metavar="DAYS",
    vi="Số ngày tới.",
    en="Only within so many days.",
)
def forecast(call: CommandRun, within: int | None) -> int:
    """Lists ends, the nearest first."""
    from gateway.services.certificate_ends import forecast as look_ahead
    from gateway.wiring import registry_looked_at

    screen, now = call.screen, call.now
    parties, known = registry_looked_at(call.settings, call.store)
    ends = look_ahead(known, parties, now, timedelta(days=within) if within is not None else None)
    over = any(end.at <= now and end.last for end in ends)
    if screen.as_json:
        for end in ends:
            screen.row(
                {
                    "at": end.at,
                    "days": end.days(now),
                    "kind": str(end.kind),
                    "name": end.name,
                    "party": end.party,
                    "tree": end.tree,
                    "subject": end.subject,
                    "last": end.last,
                }
            )
        return PROBLEMS if over else FINE
    if not ends:
        screen.line("Không có thành phần nào hết hiệu lực trong thời gian đó.", "Nothing ends in that time.")
        return FINE
    heads = ("Lúc", "Còn (ngày)", "Thành phần", "Bên", "Cây", "Chủ thể", "Không có thay thế")
    heads_en = ("At", "Days left", "What", "Party", "Tree", "Subject", "Last one")
    yes = screen.text("có", "yes")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (
                when(end.at),
                end.days(now),
                KINDS[end.kind][screen.lang is Lang.EN],
                end.party,
                end.tree,
                end.subject or end.name,
                yes if end.last else "",
            )
            for end in ends
        ),
    )
    legend(screen, {party.id: party.name for party in parties}, (end.party for end in ends))
    return PROBLEMS if over else FINE


@command(
    "show",
    vi="Tình trạng từng chứng thư đã đăng ký: tốt, không hợp lệ, chưa xác định; theo bằng chứng nào, có giá trị "
    "tới khi nào. Nếu chưa xác định: thiếu bằng chứng của chứng thư nào trong chuỗi, từ nguồn nào, từ thời "
    "điểm nào, và việc phải làm.",
    en="The status of each registered certificate: good, bad, unknown; on what evidence, until when. Where it is not known: "
    "for want of evidence of which certificate of the chain, from where, since when, and what to do.",
)
def show(call: CommandRun) -> int:
    """Lists what is known."""
    from gateway.services.certificate_ends import unproven
    from gateway.wiring import registry_looked_at

    screen, now = call.screen, call.now
    parties, known = registry_looked_at(call.settings, call.store)
    missing = {(one.party, one.fingerprint): one.problems() for one in unproven(known, parties, now)}
    rows = [
        (owner.id, registered, known.standing(registered.fingerprint, registered.tree, now))
        for owner in parties
        for registered in owner.certificates
    ]
    if screen.as_json:
        for party, registered, standing in rows:
            lacks = [screen.problem_row(one) for one in missing.get((party, registered.fingerprint), ())]
            screen.row({"party": party, **_standing_row(registered, standing), "missing": lacks})
        return FINE
    heads = ("Bên", "Chứng thư (SHA-256)", "Cây", "Tình trạng", "Vì", "Nguồn", "Tính tới", "Có giá trị tới")
    heads_en = ("Party", "Certificate (SHA-256)", "Tree", "Status", "Because", "Source", "As of", "Until")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        ((party, *_standing_cells(screen, registered, standing)) for party, registered, standing in rows),
    )
    legend(screen, {party.id: party.name for party in parties}, (party for party, _, _ in rows))
    for problems in missing.values():
        for problem in problems:
            screen.problem(problem)
    return FINE


def _standing_row(registered: SigningCertificate, standing: CertificateStanding) -> dict[str, Any]:
    verdict = standing.verdict
    return {
        "certificate": registered.fingerprint,
        "tree": registered.tree,
        "status": str(standing.status),
        "reason": standing.reason,
        "as_of": verdict.as_of if verdict else None,
        "until": verdict.until if verdict else None,
        "source": verdict.source if verdict else None,
    }


def _standing_cells(
    screen: Screen, registered: SigningCertificate, standing: CertificateStanding
) -> tuple[str | None, ...]:
    verdict = standing.verdict
    said = screen.text(STATUS_WORDS[standing.status], standing.status)
    because = screen.text(REASON_WORDS.get(standing.reason, standing.reason), standing.reason)
    proof = (verdict.source, when(verdict.as_of), when(verdict.until)) if verdict else ("", "", "")
    return (registered.fingerprint[:16] + "…", registered.tree, said, because, *proof)


@command(
    "refresh",
    acts=True,
    vi="Tra cứu ngay CRL và OCSP của mọi chứng thư, ghi kết quả. “work” tự thực hiện việc này theo thời hạn của "
    "bằng chứng. Mã thoát 1 khi có nguồn không trả lời, hoặc còn chứng thư chưa rõ tình trạng.",
    en="Ask CRL and OCSP for every certificate now, and record the answers. “work” does this by itself, by how long "
    "evidence lasts. Exit 1 when a source did not answer, or a status stays unknown.",
)
def refresh(call: CommandRun) -> int:
    """One forced round."""
    from gateway.wiring import build

    call.need(OperatorRole.OPERATOR, "trust refresh")
    screen = call.screen
    done = asyncio.run(refresh_trust(build(call.settings, call.store), call.settings, force=True))
    if screen.as_json:
        screen.row(
            {
                "judged": len(done.judged),
                "changed": list(done.written),
                "failures": [{"address": address, "reason": reason} for address, reason in done.failures],
                "unknown": [one.as_dict() for one in done.unknown],
            }
        )
    else:
        screen.line(
            f"Đã xét {len(done.judged)} chứng thư; {len(done.written)} có kết quả mới.",
            f"Judged {len(done.judged)} certificates; {len(done.written)} have a new verdict.",
        )
        for address, reason in done.failures:
            screen.line(f"  ✗ {address}: {reason}")
        for one in done.unknown:
            for gap in one.gaps:
                asked = ", ".join(gap.sources) or screen.text("không có địa chỉ tra cứu", "there is nowhere to ask")
                screen.line(f"  ? {one.fingerprint[:16]}… {gap.subject}: {gap.why} ({asked})")
    return PROBLEMS if done.failures or done.unknown else FINE
