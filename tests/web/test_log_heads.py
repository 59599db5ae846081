"""What a reader of an inbox holds of the log: where it stands, and the newest head that the gateway has signed."""

import hashlib
from datetime import UTC, datetime, timedelta

import mail
import pytest
import zeep
import zeep.transports
from requests import Session

from gateway.core.problems import Stopped
from gateway.services.bundles import seal_log
from signing.heads import read_head


def sealed(door):
    gate, now = door.gate, datetime.now(UTC)
    return seal_log(gate.store, gate.key, gateway="H19.900", now=now, every=timedelta(hours=1))


@pytest.mark.threat("T-LOG-HEAD")
def test_an_inbox_page_carries_the_newest_signed_head_over_rest_and_soap(door):
    door.send(mail.nop(), "cong-dvc")
    before = door.get("/v1/inbox", "ubnd-xa-thu-nghiem").json["DauNhatKy"]
    assert "DaKy" not in before or before["DaKy"] is None
    head = sealed(door)
    page = door.get("/v1/inbox", "ubnd-xa-thu-nghiem").json["DauNhatKy"]
    kept = read_head(page["DaKy"], [door.gate.key.certificate])
    assert (kept.number, kept.hash, kept.gateway) == (head.number, head.hash, "H19.900")
    assert page["SoThuTu"] > head.number  # the line that holds the head comes after what it covers
    session = Session()
    session.headers["Authorization"] = f"Bearer {mail.pki.token('ubnd-xa-thu-nghiem')}"
    client = zeep.Client(
        f"http://127.0.0.1:{door.port}/soap?wsdl", transport=zeep.transports.Transport(session=session)
    )
    assert client.service.LayCapNhat(Sau=0).DauNhatKy.DaKy == page["DaKy"]
    with pytest.raises(Stopped):
        read_head(page["DaKy"], [])


def test_when_the_head_was_signed_last_can_be_watched_from_outside(open_door):
    door = open_door(operator_tokens_sha256=(hashlib.sha256(b"lt_op_0123456789abcdef").hexdigest(),))

    def at():
        text = door.get("/metrics", Authorization="Bearer lt_op_0123456789abcdef").body.decode()
        (line,) = [x for x in text.splitlines() if x.startswith("lienthong_log_signed_timestamp_seconds ")]
        return float(line.rpartition(" ")[2])

    assert at() == 0.0
    door.send(mail.nop(), "cong-dvc")
    sealed(door)
    assert abs(at() - datetime.now(UTC).timestamp()) < 600


def test_a_head_is_due_while_an_entry_is_unsigned_and_not_in_a_quiet_night(open_door):
    door = open_door(operator_tokens_sha256=(hashlib.sha256(b"lt_op_0123456789abcdef").hexdigest(),))

    def due():
        text = door.get("/metrics", Authorization="Bearer lt_op_0123456789abcdef").body.decode()
        found = [x for x in text.splitlines() if x.startswith("lienthong_log_head_due_timestamp_seconds ")]
        return [float(line.rpartition(" ")[2]) for line in found]

    door.send(mail.nop(), "cong-dvc")
    (owed,) = due()
    assert abs(owed - datetime.now(UTC).timestamp() - 3600) < 600, "work.log_head_s after it was written"
    sealed(door)
    assert due() == [], "the line that holds the head is no news"
    door.send(mail.nop(), "cong-dvc")
    (again,) = due()
    assert again >= owed
