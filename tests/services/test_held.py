"""While nobody knows a certificate's status: grace, then held, then judged again as of the receipt."""

import re
from dataclasses import replace
from datetime import timedelta

import dated as letters
import genuine
import pki
import pytest
from arrivals import arrival
from dated import NOW

from gateway.core.model import Fate
from gateway.services.intake import receive, recheck
from gateway.store import Store
from signing.trust import CertificateStatus, StatusWord

PORTAL, AGENCY = "cong-dvc", "so-tu-phap"
HOUR = timedelta(hours=1)


def known(gate, **facts):
    """The gate with this known of the portal's certificate."""
    row = {"fingerprint": pki.signer(PORTAL).fingerprint, "status": StatusWord.GOOD, "as_of": NOW, "until": NOW} | facts
    return replace(gate, trust=gate.trust.with_verdicts([CertificateStatus(**row)]))


def sent(gate, at):
    (answer,) = receive([arrival(letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL, at)], gate, at)
    return answer


def codes(answer):
    return [problem.code for problem in answer.problems]


def test_while_the_source_is_down_messages_pass_by_grace_and_are_held_after_it(gate):
    silent = known(gate, until=NOW - HOUR, grace_until=NOW + HOUR)
    inside = sent(silent, NOW)
    assert (inside.fate, codes(inside)) == (Fate.ACCEPTED, ["SIG-064"])
    after = sent(silent, NOW + 2 * HOUR)
    assert (after.fate, codes(after), after.receipt) == (Fate.HELD, ["SIG-062"], None)


def test_a_held_message_is_judged_again_as_of_its_receipt_whatever_has_happened_since(gate):
    silent = known(gate, until=NOW - HOUR)
    held = sent(silent, NOW)
    assert held.fate is Fate.HELD
    revoked = known(gate, status=StatusWord.BAD, reason="revoked", revoked_at=NOW + HOUR, until=NOW + 24 * HOUR)
    (answer,) = recheck([held.message], revoked, NOW + 2 * HOUR)
    assert (answer.fate, codes(answer)) == (Fate.ACCEPTED, [])  # it came before the revocation
    assert sent(revoked, NOW + 2 * HOUR).fate is Fate.REJECTED


def test_a_held_message_whose_certificate_turns_out_revoked_before_it_is_refused(gate):
    held = sent(known(gate, until=NOW - HOUR), NOW)
    revoked = known(gate, status=StatusWord.BAD, reason="revoked", revoked_at=NOW - HOUR, until=NOW + 24 * HOUR)
    (answer,) = recheck([held.message], revoked, NOW + 2 * HOUR)
    assert (answer.fate, codes(answer)) == (Fate.REJECTED, ["SIG-060"])


@pytest.mark.parametrize("name", ["gateway", "gateway-rsa"])
def test_the_receipts_of_the_gateway_verify_with_xmlsec1_and_the_jdk(name, bare_gate, sqlite_store: Store):
    gate = replace(bare_gate, store=sqlite_store, key=letters.key(name))
    at = NOW
    good = sent(gate, at)
    body = letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY)
    unsigned = re.sub(rb"<ds:Signature .*</ds:Signature>", b"", body, flags=re.DOTALL)
    (bad,) = receive([arrival(unsigned, PORTAL, at)], gate, at)
    receipts = [good.receipt, bad.receipt]
    assert [b"CHAP_NHAN" in receipts[0], b"TU_CHOI" in receipts[1]] == [True, True]
    assert genuine.checked_by_jdk(receipts) == ["valid", "valid"]
    assert [genuine.checked_by_xmlsec1(receipt) for receipt in receipts] == [True, True]
    assert genuine.checked_by_xmlsec1(receipts[0].replace(b"CHAP_NHAN", b"TRUNG_LAP")) is False
