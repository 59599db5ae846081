"""The verdict on a signature: facts apart from conclusions.

Its checklist is Annex II of Circular 15/2025/TT-BKHCN.

A verdict is a JSON-able dict, so that it can be stored, shown and checked again years later. Its reasons are words of
``REASONS``; wording in Vietnamese and English is put beside them by :func:`explain` when somebody looks. Conformance
to Annex I is reported apart from validity: RSASSA-PKCS1-v1_5 is valid, and flagged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final

SOURCE: Final = "Thông tư 15/2025/TT-BKHCN, Phụ lục II, {item}"

PASSED: Final = "passed"
FAILED: Final = "failed"
UNDETERMINED: Final = "undetermined"
NOT_APPLICABLE: Final = "not-applicable"

# item -> (Vietnamese, English)
ITEMS: Final[dict[str, tuple[str, str]]] = {
    "1.1": (
        "Thời điểm ký nằm trong thời hạn chứng thư; chứng thư không bị tạm dừng hay thu hồi vào lúc đó",
        "Signed while the certificate was in its period and neither suspended nor revoked",
    ),
    "1.2": (
        "Trạng thái chứng thư qua OCSP hoặc CRL mới nhất tại thời điểm ký",
        "Certificate status by OCSP or by the newest CRL at signing time",
    ),
    "1.3": ("Thuật toán và khóa của chứng thư đúng quy định", "Algorithms and key of the certificate conform"),
    "1.4": ("Phạm vi sử dụng của chứng thư", "Scope of use of the certificate"),
    "1.5": ("Mục đích sử dụng khóa (Key Usage, Extended Key Usage)", "Key usage and extended key usage"),
    "1.6": ("Tuyên bố của tổ chức cấp chứng thư", "Statements of the issuer"),
    "2.1": ("Danh tính người ký", "Identity of the signer"),
    "2.2": ("Chữ ký được tạo bởi khóa bí mật tương ứng", "Made by the matching private key"),
    "2.3": ("Chứng thư có hiệu lực tại thời điểm ký", "Certificate in force at signing time"),
    "2.4": ("Tính toàn vẹn của nội dung", "Integrity of the content"),
}

REASONS: Final[dict[str, tuple[str, str]]] = {
    "ok": ("đạt", "passed"),
    "registered": (
        "chứng thư được bên gửi đăng ký với trục; việc đăng ký là căn cứ tin cậy, không có cây tin cậy để hỏi",
        "the certificate is registered with the gateway; the registration is the trust, there is no tree to ask",
    ),
    "good-by-crl": ("không có trong danh sách thu hồi còn hiệu lực", "not on the revocation list in force"),
    "good-by-ocsp": ("OCSP trả lời: còn hiệu lực", "the OCSP answer says good"),
    "path-only": (
        "đường dẫn chứng thư hợp lệ; cây này không công bố thu hồi",
        "the path is valid; this tree publishes no revocation",
    ),
    "revoked": (
        "chứng thư đã bị thu hồi hoặc tạm dừng trước thời điểm xét",
        "revoked or suspended before the time of judgement",
    ),
    "revoked-later": (
        "chứng thư bị thu hồi sau thời điểm nhận; lúc nhận còn hiệu lực",
        "revoked after the message came; in force at that time",
    ),
    "no-path": ("không có đường dẫn hợp lệ tới cây tin cậy", "no valid path to the trust tree"),
    "tree-not-in-force": ("cây tin cậy không có hiệu lực vào lúc này", "the trust tree is not in force at this time"),
    "no-tree": ("cây tin cậy chưa được nạp vào trục", "the trust tree is not loaded"),
    "not-checked-yet": (
        "trục chưa kiểm tra trạng thái chứng thư này",
        "the gateway has not checked this certificate's status yet",
    ),
    "evidence-expired": (
        "bằng chứng trạng thái đã quá hạn, chưa lấy được bản mới",
        "the status evidence has expired and no newer one could be had",
    ),
    "grace": (
        "bằng chứng trạng thái vừa quá hạn, còn trong thời gian ân hạn",
        "the status evidence has just expired; within the configured grace",
    ),
    "source-down": ("không lấy được CRL hay OCSP", "neither CRL nor OCSP could be had"),
    "evidence-unusable": (
        "CRL hoặc OCSP lấy được không dùng được (cũ, sai người ký, sai chứng thư…)",
        "the CRL or OCSP answer that came is unusable (stale, wrong signer, other certificate…)",
    ),
    "outside-validity": ("ngoài thời hạn của chứng thư", "outside the certificate's period"),
    "not-registered": (
        "chứng thư không được đăng ký cho bên gửi này",
        "the certificate is not registered for this sender",
    ),
    "registered-for-sender": (
        "chứng thư được đăng ký cho bên gửi, đúng mục đích, đúng thời hạn",
        "registered for the sender, for this use, at this time",
    ),
    "own-key": ("trục ký thay cho bên gửi đã xác thực", "signed by the gateway on behalf of the authenticated sender"),
    "registration-unfit": (
        "đăng ký không dành cho việc này hoặc ngoài thời hạn đăng ký",
        "the registration is not for this use or not at this time",
    ),
    "key-fits": (
        "khóa và thuật toán của chứng thư đạt mức quy định",
        "key and algorithms of the certificate are strong enough",
    ),
    "key-unfit": ("khóa hoặc thuật toán của chứng thư không đạt", "key or algorithms of the certificate do not do"),
    "usage-fits": ("mục đích sử dụng khóa cho phép ký", "the key usage allows signing"),
    "usage-absent": ("chứng thư không nêu mục đích sử dụng khóa", "the certificate states no key usage"),
    "usage-unfit": (
        "mục đích sử dụng khóa không cho phép ký văn bản",
        "the key usage does not allow signing documents",
    ),
    "not-evaluated": ("mục tùy chọn, trục không xét", "optional item, not evaluated"),
    "not-reached": ("chưa xét tới vì bước trước không đạt", "not reached, an earlier step failed"),
    "structure": (
        "cấu trúc chữ ký không nằm trong danh sách cho phép",
        "the structure of the signature is not on the allow-list",
    ),
    "policy": ("không đúng yêu cầu đã đăng ký của bên gửi", "not what the sender's registration demands"),
    "time-claim": ("thời điểm ký tự khai không thể đúng", "the claimed signing time cannot be true"),
    "mathematics": ("phép kiểm tra mật mã không khớp", "the cryptographic check does not match"),
    "digest": ("giá trị băm không khớp", "a digest does not match"),
    "coverage": ("phần được ký không phải toàn bộ phong bì", "what is signed is not the whole envelope"),
    "unsigned": ("không có chữ ký", "not signed"),
    "not-demanded": ("chính sách đã đăng ký không xét chữ ký", "the registered policy does not look at signatures"),
    "changed-after": ("văn bản bị sửa đổi sau khi ký", "the document was changed after signing"),
    "not-registered-document": (
        "chứng thư không đăng ký với trục; xét theo cây tin cậy",
        "the certificate is not registered with the gateway; judged by the trust trees",
    ),
    "known-issuer": ("chứng thư do tổ chức thuộc cây tin cậy cấp", "issued by an authority of a trust tree"),
    "time-unproven": (
        "chứng thư nay đã hết hạn và không có dấu thời gian chứng minh lúc ký",
        "the certificate has expired since, and no time-stamp proves when it was signed",
    ),
    "by-claimed-time": ("xét tại thời điểm ký tự khai", "judged at the claimed signing time"),
    "by-receipt-time": ("xét tại thời điểm trục nhận", "judged at the time of receipt"),
    "by-time-stamp": ("xét tại thời điểm dấu thời gian", "judged at the time of the time-stamp"),
}


class SignatureFlaw(Enum):
    """What a problem of a signature speaks against."""

    OUTSIDE_VALIDITY = "outside-validity"
    REGISTRATION = "registration"
    KEY = "key"
    NO_SIGNING = "no-signing"  # the key's usage leaves signing out
    OTHER_PURPOSE = "other-purpose"  # the certificate is for something else than signing documents
    TIME_CLAIM = "time-claim"
    POLICY = "policy"
    CONTRADICTION = "contradiction"  # what the signature says of its key is not so


# flaw -> reason, and the items that it fails
FAILS: Final[Mapping[SignatureFlaw, tuple[str, tuple[str, ...]]]] = {
    SignatureFlaw.OUTSIDE_VALIDITY: ("outside-validity", ("1.1", "2.3")),
    SignatureFlaw.REGISTRATION: ("registration-unfit", ("1.4",)),
    SignatureFlaw.KEY: ("key-unfit", ("1.3",)),
    SignatureFlaw.NO_SIGNING: ("usage-unfit", ("1.5",)),
    SignatureFlaw.OTHER_PURPOSE: ("usage-unfit", ("1.5",)),
    SignatureFlaw.TIME_CLAIM: ("time-claim", ("1.1",)),
    SignatureFlaw.POLICY: ("policy", ("1.3",)),
    SignatureFlaw.CONTRADICTION: ("structure", ("2.1",)),
}


class Judgement:
    """A verdict in the making. Every item begins as not reached."""

    def __init__(self, basis: str, at: datetime) -> None:
        """For one message, judged as of this time."""
        self.basis = basis
        self.at = at
        self.facts: dict[str, Any] = {}
        self.deviations: tuple[str, ...] | None = None
        self._items: dict[str, tuple[str, str]] = {}
        self._default = (UNDETERMINED, "not-reached")

    def mark(self, status: str, reason: str, *items: str) -> None:
        """Set these items. A failure is never overwritten."""
        for item in items:
            if self._items.get(item, ("", ""))[0] != FAILED:
                self._items[item] = (status, reason)

    def nothing(self, reason: str) -> None:
        """There is no signature to judge."""
        self._default = (NOT_APPLICABLE, reason)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as it stands."""
        checklist, result = _checklist(tuple(self._items.items()), self._default)
        return {
            "version": 1,
            "basis": self.basis,
            "at": self.at.isoformat(),
            "result": result,
            "checklist": checklist,
            "facts": self.facts,
            "annex_i": None
            if self.deviations is None
            else {"conforms": not self.deviations, "deviations": list(self.deviations)},
        }


@lru_cache(maxsize=256)
def _checklist(
    marked: tuple[tuple[str, tuple[str, str]], ...], default: tuple[str, str]
) -> tuple[dict[str, dict[str, str]], str]:
    """The rows and their conclusion. Verdicts that are alike share them, so nobody may change one."""
    marks, checklist = dict(marked), {}
    for item in ITEMS:
        status, reason = marks.get(item, default)
        if item == "1.6" and status == UNDETERMINED:
            status, reason = NOT_APPLICABLE, "not-evaluated"
        checklist[item] = {"status": status, "reason": reason, "source": SOURCE.format(item=item)}
    return checklist, conclude(checklist)


def conclude(checklist: Mapping[str, Mapping[str, Any]]) -> str:
    """One word for the whole list: the worst of failed, undetermined, passed."""
    found = {row["status"] for row in checklist.values()}
    for status in (FAILED, UNDETERMINED, PASSED):
        if status in found:
            return status
    return NOT_APPLICABLE


def explain_verdict(verdict: Mapping[str, Any]) -> list[dict[str, str]]:
    """The checklist as rows for a person: item, status, and its text and reason in both languages."""
    rows = []
    for item, row in verdict.get("checklist", {}).items():
        text, reason = ITEMS.get(item, ("", "")), REASONS.get(row["reason"], (row["reason"],) * 2)
        rows.append(
            {
                "item": item,
                "status": row["status"],
                "reason": row["reason"],
                "text_vi": text[0],
                "text_en": text[1],
                "reason_vi": reason[0],
                "reason_en": reason[1],
                "source": row["source"],
            }
        )
    return rows
