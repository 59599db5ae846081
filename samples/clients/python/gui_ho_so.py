"""Python: ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
Python: sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.

    pip install signxml zeep
    python gui_ho_so.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem
"""

import json
import secrets
import sys
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from signxml import CanonicalizationMethod, SignatureMethod, XMLSigner

EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0


def fill_in() -> bytes:
    """1. Điền mẫu. / Fill in the form."""
    now = datetime.now(timezone(timedelta(hours=7)))
    text = (Path(__file__).parent.parent / "ho-so.xml").read_text("utf-8")
    text = text.replace("@MaThongDiep@", str(uuid.uuid4())).replace("@ThoiDiem@", now.isoformat(timespec="seconds"))
    return text.replace("@MaHoSo@", f"H19.901-{now:%y%m%d}-{secrets.randbelow(10**7):07}").encode()


def sign(body: bytes, key: bytes, certificate: str) -> bytes:
    """Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child."""
    private = load_pem_private_key(key, None)
    bits = {384: 384, 521: 512}.get(
        private.key_size, 256
    )  # băm không ngắn hơn đường cong / no hash shorter than the curve
    method = SignatureMethod[f"{'RSA' if isinstance(private, RSAPrivateKey) else 'ECDSA'}_SHA{bits}"]
    signer = XMLSigner(signature_algorithm=method, digest_algorithm="sha256", c14n_algorithm=EXCLUSIVE)
    return etree.tostring(signer.sign(etree.fromstring(body), key=key, cert=certificate), encoding="UTF-8")


def call(url: str, token: str, body: bytes | None = None, accept: str = "application/xml") -> tuple[int, bytes]:
    """Một lượt gọi REST. / One call."""
    headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Content-Type": "application/xml"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        return answer.status, answer.read()


def main(url: str, token: str, key_file: str, certificate_file: str) -> None:
    import requests  # noqa: PLC0415 - chỉ cho SOAP, nạp lâu / for SOAP only, slow to load
    import zeep  # noqa: PLC0415

    signed = sign(fill_in(), Path(key_file).read_bytes(), Path(certificate_file).read_text())

    # 2. REST: 201 và xác nhận tiếp nhận thông điệp có chữ ký. / 201 and a signed receipt.
    status, receipt = call(f"{url}/v1/messages", token, signed)
    print("REST", status, etree.fromstring(receipt).findtext(".//{*}KetQua"))

    # 3. SOAP: đúng các byte đó, nên đúng xác nhận tiếp nhận thông điệp đó. / The same bytes, so the same receipt.
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    service = zeep.Client(f"{url}/soap?wsdl", transport=zeep.Transport(session=session)).service
    if service.GuiThongDiep(NoiDung=signed).BienNhan == receipt:
        print("SOAP cùng xác nhận tiếp nhận thông điệp / same receipt")

    # 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
    after = 0
    while True:
        page = json.loads(call(f"{url}/v1/inbox?after={after}&limit=100", token, accept="application/json")[1])
        if not page["DanhSachMuc"]:
            break
        for entry in page["DanhSachMuc"]:
            original = call(url + entry["DuongDan"], token)[1]
            print("HOP THU", entry["ViTri"], entry["LoaiThongDiep"], len(original), "byte")
            after = entry["ViTri"]
    print("XAC NHAN", after)


if __name__ == "__main__":
    main(*sys.argv[1:])
