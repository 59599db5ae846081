"""Settings of one node: one TOML file read into frozen dataclasses, whose defaults and texts are the documentation.

Order of precedence: command line, environment (``LIENTHONG_WEB_PORT`` for ``web.port``), file, default. Every value
knows where it came from. Secrets never stand in the file: it names a file or an environment variable. Paths are
relative to the file. ``docs/en/settings.md`` is generated from this module.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import ipaddress
import json
import os
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from gateway.core.alerts import Alarm, Urgency
from gateway.core.allowed import NodeAllowance
from gateway.core.limits import DocumentLimits
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Lang, Location, Problem, Stopped
from gateway.core.soap_faults import SoapFaultStatus
from gateway.core.stored_files import UnscannedFiles
from gateway.core.written import (
    KeyPath,
    Written,
    decode_toml,
    dotted,
    flat,
    hints_of,
    nearest,
    read_toml,
    setting,
    setting_meaning,
)
from schemas.strictness import RuleSettings

CONFIG_NAME = "lienthong.toml"
ENV_PREFIX = "LIENTHONG_"
# Options of the command line that have an environment variable of their own; they are no settings.
OWN_VARIABLES = frozenset({"LIENTHONG_CONFIG", "LIENTHONG_LANG", "LIENTHONG_AS", "LIENTHONG_JSON", "LIENTHONG_VERBOSE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Who this gateway is."""

    identifier: str = setting(
        "H19.900",
        pattern=r"[0-9A-Za-z.]{1,35}",
        vi="Mã định danh của trục, ghi vào NoiGui của xác nhận tiếp nhận thông điệp.",
        en="The gateway's own agency identifier; it stands in NoiGui of receipts.",
    )
    name: str = setting(
        "Trục liên thông thành phố Đồng Nai (thử nghiệm)",
        vi="Tên của trục, ghi vào xác nhận tiếp nhận thông điệp.",
        en="The gateway's name; it stands in receipts.",
    )
    system: str = setting(
        "lienthong",
        vi="Tên hệ thống (HeThong) trong xác nhận tiếp nhận thông điệp.",
        en="The system name (HeThong) in receipts.",
    )
    lang: Lang = setting(
        Lang.VI,
        vi="Ngôn ngữ khi người gọi không chọn: vi hoặc en.",
        en="The language when a caller does not choose: vi or en.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where everything is recorded."""

    url: str = setting(
        "sqlite:///lienthong.sqlite3",
        vi="Cơ sở dữ liệu: sqlite:///tệp (tính từ thư mục cấu hình) hoặc postgresql+psycopg://…; "
        "mật khẩu để trong password_file hoặc PGPASSWORD.",
        en="The database: sqlite:///file (relative to the configuration) or postgresql+psycopg://…; "
        "the password stands in password_file or PGPASSWORD.",
    )
    password_file: Path | None = setting(
        None,
        vi="Tệp chứa mật khẩu cơ sở dữ liệu (quyền 600).",
        en="A file that holds the database password (mode 600).",
    )
    lock_s: float = setting(
        4.0,
        at_least=0.1,
        at_most=60,
        vi="Số giây tối đa serve, work chờ khóa mà bên khác đang giữ trong cơ sở dữ liệu; hết thời gian, trục trả lời HTTP 503.",
        en="`serve` and `work` wait this many seconds for locks that others hold in the database; then the answer is 503.",
    )
    silence_s: float = setting(
        15.0,
        at_least=0.5,
        at_most=600,
        vi="Số giây máy chủ cơ sở dữ liệu không trả lời một câu lệnh ghi mà kết nối bị bỏ và mở kết nối mới.",
        en="A database server that leaves a writing statement unanswered for this many seconds is dropped and called anew.",
    )
    wait_s: float = setting(
        60.0,
        at_least=0,
        at_most=86_400,
        vi="Số giây tối đa serve và work chờ cơ sở dữ liệu trả lời khi khởi động.",
        en="When they start, `serve` and `work` wait this many seconds for a database that is away.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """The gateway's signing key: it signs receipts, composed messages and log heads."""

    file: Path | None = setting(
        None,
        vi="Khóa bí mật, quyền 600: PEM, DER hoặc PKCS#12 (.p12, .pfx).",
        en="The private key, mode 600: PEM, DER or PKCS#12 (.p12, .pfx).",
    )
    certificate: Path | None = setting(
        None,
        vi="Chứng thư của khóa (PEM, DER, PKCS#12); bỏ trống: chứng thư nằm trong tệp khóa.",
        en="The key's certificate (PEM, DER, PKCS#12); empty: it lies in the key's file.",
    )
    password_file: Path | None = setting(
        None,
        vi="Tệp chứa mật khẩu của khóa (quyền 600), nếu khóa có mật khẩu.",
        en="A file that holds the key's password (mode 600), if it has one.",
    )
    password_env: str | None = setting(
        None,
        vi="Tên biến môi trường chứa mật khẩu của khóa.",
        en="The name of the environment variable that holds the key's password.",
    )
    module: Path | None = setting(
        None,
        vi="Thư viện PKCS#11 của thiết bị giữ khóa (HSM, USB token), thay cho “file”; mã PIN là mật khẩu của khóa.",
        en="The PKCS#11 library of the token that holds the key (HSM, USB), instead of “file”; the PIN is its password.",
    )
    token: str | None = setting(
        None,
        vi="Nhãn của thiết bị PKCS#11.",
        en="The label of the PKCS#11 token.",
    )
    label: str | None = setting(
        None,
        vi="Nhãn của khóa trong thiết bị; chứng thư cùng nhãn được dùng nếu không nêu “certificate”.",
        en="The label of the key in the token; the certificate of the same label is used where none is named.",
    )
    previous: tuple[Path, ...] = setting(
        (),
        vi="Chứng thư của các khóa trước (PEM, DER): xác nhận tiếp nhận và đầu nhật ký đã ký bằng "
        "các khóa đó vẫn kiểm tra được sau khi thay khóa.",
        en="Certificates of earlier keys (PEM, DER): what they signed (receipts, log heads) is still believed afterwards.",
    )

    @property
    def given(self) -> bool:
        """Whether there is a key to sign with."""
        return self.file is not None or self.module is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The door: HTTP server for REST and SOAP."""

    host: str = setting("127.0.0.1", vi="Địa chỉ lắng nghe.", en="The address to listen on.")
    port: int = setting(
        8310,
        at_least=0,
        at_most=65535,
        vi="Cổng lắng nghe; 0: cổng trống bất kỳ.",
        en="The port to listen on; 0: any free one.",
    )
    workers: int = setting(
        1,
        at_least=1,
        at_most=64,
        vi="Số tiến trình nhận thông điệp; nên bằng số nhân CPU.",
        en="Processes that take messages; as many as CPU cores is right.",
    )
    public_url: str | None = setting(
        None,
        pattern=r"https?://\S+",
        vi="Địa chỉ mà bên ngoài gọi tới, ghi trong WSDL và OpenAPI; bỏ trống: địa chỉ IP mà kết nối đi tới.",
        en="The address outsiders call, written into WSDL and OpenAPI; empty: the IP address that the connection came to.",
    )
    tls_certificate: Path | None = setting(
        None,
        vi="Chứng thư TLS của máy chủ, cả chuỗi (PEM, DER, PKCS#12).",
        en="The server's TLS certificate with its chain (PEM, DER, PKCS#12).",
    )
    tls_key: Path | None = setting(
        None,
        vi="Khóa TLS của máy chủ, quyền 600 (PEM, DER, PKCS#12); có thể là cùng một tệp với chứng thư.",
        en="The server's TLS key, mode 600 (PEM, DER, PKCS#12); it may be the certificate's file.",
    )
    tls_password_file: Path | None = setting(
        None,
        vi="Tệp chứa mật khẩu của khóa TLS (quyền 600), nếu khóa có mật khẩu.",
        en="A file that holds the TLS key's password (mode 600), if it has one.",
    )
    tls_password_env: str | None = setting(
        None,
        vi="Tên biến môi trường chứa mật khẩu của khóa TLS.",
        en="The name of the environment variable that holds the TLS key's password.",
    )
    client_ca: Path | None = setting(
        None,
        vi="Gốc tin cậy của chứng thư máy khách (PEM, DER); khi khai, bên gọi được dùng chứng thư máy khách thay mã truy cập.",
        en="Trust roots for client certificates (PEM, DER); callers may then use one instead of a token.",
    )
    drain_s: float = setting(
        20.0,
        at_least=0,
        at_most=600,
        vi="Khi dừng: số giây chờ các yêu cầu chưa hoàn thành.",
        en="When stopping: wait this many seconds for requests under way.",
    )
    memory_mb: int | None = setting(
        None,
        at_least=128,
        vi="Giới hạn bộ nhớ của mỗi tiến trình nhận, MB; bỏ trống: không đặt.",
        en="The memory limit of each worker, MB; empty: none.",
    )
    growth_mb: int = setting(
        512,
        at_least=8,
        vi="Số MB bộ nhớ tăng thêm từ lúc bắt đầu mà khi đạt tới, tiến trình nhận được thay bằng "
        "tiến trình mới, không gián đoạn.",
        en="A worker that has grown by this many MB since it began is replaced by a fresh one, without a gap.",
    )
    boot_s: float = setting(
        120.0,
        at_least=1,
        at_most=3600,
        vi="Số giây để một tiến trình bắt đầu hoạt động; dài hơn database.wait_s.",
        en="How long a process may take to come up, seconds; longer than database.wait_s.",
    )
    stall_s: float = setting(
        60.0,
        at_least=5,
        at_most=3600,
        vi="Số giây không có tín hiệu hoạt động mà khi đạt tới, tiến trình nhận bị thay.",
        en="A worker that shows no life for this many seconds is replaced.",
    )


INTERFACES = ("/v1", "/soap", "/dvcqg")  # what may come to an end (docs/en/versions.md)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """Patience, limits and trust of the HTTP door. The longest message is limits.body_bytes."""

    header_bytes: int = setting(
        8190,
        at_least=1024,
        vi="Độ dài tối đa của dòng yêu cầu hay một trường phần đầu, byte.",
        en="The longest request line or header field, bytes.",
    )
    headers: int = setting(
        64,
        at_least=16,
        vi="Số trường phần đầu tối đa của một yêu cầu.",
        en="The most header fields of one request.",
    )
    connections: int = setting(
        2000,
        at_least=1,
        vi="Số kết nối mở cùng lúc, mỗi tiến trình; khi hết, kết nối không hoạt động lâu nhất bị đóng.",
        en="Connections open at once, per worker; the one that idles longest makes room.",
    )
    header_s: float = setting(
        10.0,
        at_least=0.1,
        vi="Từ byte đầu của yêu cầu tới hết phần đầu, giây.",
        en="From the first byte of a request to the end of its header, seconds.",
    )
    idle_s: float = setting(
        75.0,
        at_least=1,
        vi="Số giây mà kết nối không hoạt động bị đóng; nên dài hơn của máy chủ ủy nhiệm phía trước.",
        en="A silent connection is closed after this many seconds; longer than the proxy in front.",
    )
    body_grace_s: float = setting(
        20.0,
        at_least=0.1,
        vi="Số giây đầu không xét tốc độ của thân yêu cầu; sau đó phải đạt tốc độ body_bytes_per_s.",
        en="A body may take this many seconds; beyond, it must keep body_bytes_per_s on average.",
    )
    body_bytes_per_s: int = setting(
        8192,
        at_least=1,
        vi="Tốc độ tối thiểu của thân yêu cầu, byte/giây.",
        en="The least speed of a body, bytes a second.",
    )
    exchange_s: float = setting(
        180.0,
        at_least=1,
        vi="Cả lượt trao đổi, kể cả trả lời, giây; dài hơn wait_s.",
        en="The whole exchange, the answer included, seconds; longer than wait_s.",
    )
    linger_s: float = setting(
        5.0,
        at_least=0,
        vi="Số giây tối đa để đọc bỏ phần còn lại của yêu cầu bị từ chối, để bên gửi nhận được trả lời.",
        en="The rest of a refused body is read away for at most this long, so that the sender sees the answer.",
    )
    wait_s: float = setting(
        60.0,
        at_least=0,
        vi="Thời gian chờ dài nhất của GET /v1/inbox?wait=, giây.",
        en="The longest wait of GET /v1/inbox?wait=, seconds.",
    )
    page: int = setting(
        500,
        at_least=1,
        vi="Số mục nhiều nhất trong một trang hộp thư.",
        en="The most entries in one page of an inbox.",
    )
    queue: int = setting(
        512,
        at_least=1,
        vi="Số thông điệp chờ nhiều nhất, mỗi tiến trình; vượt mức, bên có nhiều thông điệp chờ nhất nhận SYS-003.",
        en="The most messages waiting, per worker; beyond it, whoever has most waiting is answered SYS-003.",
    )
    tray_documents: int = setting(
        64,
        at_least=1,
        vi="Số thông điệp tối đa trong một đợt ghi.",
        en="The most messages in one tray.",
    )
    big_bytes: int = setting(
        100_000,
        at_least=1000,
        vi="Số byte mà thông điệp lớn hơn được xét ở luồng riêng.",
        en="Messages over this many bytes are judged in threads, beside the trays.",
    )
    session_h: float = setting(
        8.0,
        at_least=0.01,
        at_most=168,
        vi="Số giờ tối đa của một phiên làm việc ở giao diện /dvcqg.",
        en="A session at the door /dvcqg lasts this many hours at most.",
    )
    session_idle_min: float = setting(
        30.0,
        at_least=1,
        vi="Số phút không sử dụng mà phiên hết hạn.",
        en="A session that is not used for this many minutes is over.",
    )
    sessions: int = setting(
        200,
        at_least=1,
        at_most=10_000,
        vi="Số phiên nhiều nhất của một tài khoản; khi hết, phiên lâu không dùng nhất bị đóng.",
        en="The most sessions of one account; the one that was not used for the longest makes room.",
    )
    rate_per_s: float | None = setting(
        None,
        at_least=0.01,
        vi="Số yêu cầu mỗi giây của một bên khi hồ sơ của bên không khai; bỏ trống: không giới hạn.",
        en="Requests a second of one party, where its profile says nothing; empty: no limit.",
    )
    soap_faults: SoapFaultStatus = setting(
        SoapFaultStatus.ALWAYS_500,
        vi="Mã trạng thái HTTP của Fault ở /soap: 500 (thư viện SOAP nào cũng đọc được) hoặc http (giữ 401, 403, 413, 429…).",
        en="HTTP status of faults at /soap: 500 (every SOAP toolkit reads that) or http (keeps 401, 403, 413, 429…).",
    )
    deprecated: Mapping[str, datetime] = setting(
        {},
        vi="Giao diện không nên dùng nữa từ lúc nào: /v1, /soap, /dvcqg hoặc địa chỉ bên dưới; báo bằng trường Deprecation.",
        en="Interfaces to be left, and since when: /v1, /soap, /dvcqg or an address below; told by the header Deprecation.",
    )
    sunset: Mapping[str, datetime] = setting(
        {},
        vi="Giao diện ngừng phục vụ từ lúc nào; báo bằng trường Sunset. Trục không tự đóng.",
        en="Interfaces that end, and when; told by the header Sunset. The gateway does not close them by itself.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        vi="Địa chỉ hoặc dải mạng của máy chủ ủy nhiệm được tin cậy khi chuyển chứng thư máy khách.",
        en="Addresses or networks of proxies that are believed when they hand on a client certificate.",
    )
    client_certificate_header: str | None = setting(
        None,
        vi="Trường phần đầu mà máy chủ ủy nhiệm ghi chứng thư máy khách (PEM mã hóa URL, DER base64 hoặc SHA-256).",
        en="The header in which the proxy hands on the client certificate (URL-encoded PEM, base64 DER or SHA-256).",
    )
    operator_tokens_sha256: tuple[str, ...] = setting(
        (),
        vi="SHA-256 của mã truy cập được đọc /metrics và chi tiết tình trạng.",
        en="SHA-256 of the tokens that may read /metrics and probe details.",
        pattern="[0-9a-fA-F]{64}",
    )
    read_threads: int = setting(
        4,
        at_least=1,
        vi="Số luồng đọc cơ sở dữ liệu.",
        en="Threads for reading the database.",
    )
    access_log: bool = setting(
        True,
        vi="Ghi một dòng cho mỗi yêu cầu, không có dữ liệu cá nhân.",
        en="One line for each request, without personal data.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """The process that delivers, checks certificates and watches."""

    host: str = setting(
        "127.0.0.1",
        vi="Địa chỉ để kiểm tra “work” có đang chạy.",
        en="The address at which `work` says how it is doing.",
    )
    port: int | None = setting(
        None,
        at_least=0,
        at_most=65535,
        vi="Cổng để kiểm tra “work”: /healthz, /readyz, /metrics (cần mã truy cập quản trị); bỏ "
        "trống: không mở; 0: cổng trống bất kỳ.",
        en="The port of `work` for /healthz, /readyz and /metrics (an operator's token); empty: none; 0: any free one.",
    )
    deliveries: int = setting(
        32, at_least=1, at_most=1000, vi="Số lượt gửi đồng thời.", en="Deliveries under way at once."
    )
    per_party: int = setting(
        4,
        at_least=1,
        at_most=1000,
        vi="Số lượt gửi đồng thời tới một bên.",
        en="Deliveries under way at once to one party.",
    )
    claim: int = setting(
        10, at_least=1, at_most=1000, vi="Số lượt gửi mỗi lần nhận việc.", en="Deliveries leased in one go."
    )
    lease_s: float = setting(
        120.0,
        at_least=1,
        at_most=86_400,
        vi="Thời hạn giữ một lượt gửi, giây; phải dài hơn thời gian chờ dài nhất của mọi bộ kết nối.",
        en="How long a delivery is leased, seconds; longer than the longest connector timeout.",
    )
    poll_s: float = setting(
        0.5,
        at_least=0.01,
        at_most=60,
        vi="Số giây chờ trước khi kiểm tra lại, khi không có việc.",
        en="When there is nothing to do, look again after this many seconds.",
    )
    first_s: float = setting(
        60.0,
        at_least=0.05,
        at_most=3600,
        vi="Số giây chờ sau lần gửi không thành công đầu tiên; các lần sau tăng theo bình phương.",
        en="The wait after a first failed try, seconds; later ones grow with its square.",
    )
    grace_s: float = setting(
        20.0,
        at_least=0,
        at_most=600,
        vi="Khi dừng: số giây chờ các lượt gửi chưa hoàn thành.",
        en="When stopping: wait this many seconds for deliveries under way.",
    )
    answer_s: float = setting(
        1.0,
        at_least=0.1,
        at_most=3600,
        vi="Tìm yêu cầu gửi cho chính trục (HS17, HS18, HS19) để trả lời: chu kỳ, giây.",
        en="Queries addressed to the gateway itself (HS17, HS18, HS19) are looked for this often, seconds.",
    )
    recheck_s: float = setting(
        300.0,
        at_least=1,
        at_most=86_400,
        vi="Chu kỳ xét lại thông điệp đang tạm giữ, giây.",
        en="Held messages are judged again this often, seconds.",
    )
    hold_for_h: float = setting(
        72.0,
        at_least=0.01,
        at_most=8760,
        vi="Số giờ tạm giữ tối đa một thông điệp chưa xác định; hết thời hạn, thông điệp bị từ chối.",
        en="An undetermined message is held for at most this many hours, then rejected.",
    )
    trust_s: float = setting(
        60.0,
        at_least=1,
        at_most=86_400,
        vi="Chu kỳ kiểm tra chứng thư đến lúc phải tra cứu lại tình trạng (tùy thời hạn của bằng chứng), giây.",
        en="This often, seconds, certificates are looked through for those to ask about (by how long evidence lasts).",
    )
    log_head_s: float = setting(
        3600.0,
        at_least=1,
        at_most=86_400,
        vi="Chu kỳ ký đầu chuỗi nhật ký, giây.",
        en="The log's head is signed this often, seconds.",
    )
    private_addresses: bool = setting(
        False,
        vi="Cho gửi tới địa chỉ mạng riêng và loopback.",
        en="Whether deliveries may go to private and loopback addresses.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """The way out where the world outside is not reached directly: deliveries, fetching, look-ups, CRL, OCSP, webhooks."""

    url: str | None = setting(
        None,
        pattern=r"http://[^\s/@]+:[0-9]{1,5}",
        vi="Máy chủ ủy nhiệm để ra ngoài, http://máy:cổng; bỏ trống: kết nối trực tiếp. Hồ sơ của từng bên có thể ghi khác.",
        en="The proxy to the world outside, http://host:port; empty: directly. A party's profile may say otherwise.",
    )
    user: str | None = setting(
        None, pattern=r"[^:\s]+", vi="Tài khoản ở máy chủ ủy nhiệm.", en="The account at the proxy."
    )
    password_file: Path | None = setting(
        None,
        vi="Tệp chứa mật khẩu của tài khoản đó (quyền 600).",
        en="A file that holds that account's password (mode 600).",
    )
    password_env: str | None = setting(
        None,
        vi="Tên biến môi trường chứa mật khẩu đó.",
        en="The name of the environment variable that holds that password.",
    )
    direct: tuple[str, ...] = setting(
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        pattern=r"\S+",
        vi="Nơi được gọi trực tiếp, không qua máy chủ ủy nhiệm: tên máy, .tên-miền, địa chỉ hoặc dải mạng (chỉ so với địa "
        "chỉ viết bằng số). Chính máy này luôn được gọi trực tiếp.",
        en="Who is called without the proxy: a host's name, .a-domain, an address or network (compared with addresses "
        "written as numbers). This machine itself always is.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Files that parties bring beside their messages, and name in them by SHA-256 (POST /v1/files)."""

    folder: Path | None = setting(
        None,
        vi="Thư mục chứa tệp, quyền chỉ của tài khoản chạy trục; nhiều máy thì phải là thư mục chung. Bỏ trống: không nhận tệp.",
        en="Where files are kept, open to the gateway's account alone; several nodes must share it. Empty: no files are taken.",
    )
    most_bytes: int = setting(
        256 * 1024 * 1024,
        at_least=1024,
        at_most=2 * 1024**3,
        vi="Tệp lớn nhất được nhận, byte.",
        en="The largest file that is taken, bytes.",
    )
    quota_mb: int = setting(
        20_000,
        at_least=0,
        vi="Tổng tệp của một bên, MB, nếu hồ sơ của bên đó không đặt mức khác.",
        en="How many megabytes of files count as one party's at most, unless its profile says otherwise.",
    )
    pace_mb_s: int = setting(
        16,
        at_least=1,
        at_most=10_000,
        vi="Tốc độ lớn nhất của tất cả tệp đi qua một tiến trình nhận khi có thông điệp đang đến, MB mỗi giây.",
        en="While messages come, all files of a worker together move no faster than so many megabytes a second.",
    )
    keep_days: int = setting(
        30,
        at_least=1,
        at_most=3660,
        vi="Số ngày lưu tệp không có thông điệp nào dẫn tới, kể từ lần gửi lên sau cùng.",
        en="A file that no message names is kept for so many days after it was last brought.",
    )
    unfinished_h: int = setting(
        24,
        at_least=1,
        at_most=720,
        vi="Số giờ lưu lượt gửi tệp chưa hoàn thành để gửi tiếp.",
        en="How long an upload that is not whole can be resumed, hours.",
    )
    wait_h: int = setting(
        24,
        at_least=1,
        at_most=720,
        vi="Số giờ tạm giữ thông điệp dẫn tới tệp chưa có hoặc chưa quét được; hết thời hạn, thông điệp bị từ chối.",
        en="How long a message is held for its file, or until that can be scanned, before it is refused, hours.",
    )
    clamd: str | None = setting(
        None,
        pattern=r"/\S+|\S+:[0-9]{1,5}",
        vi="Nơi clamd nhận tệp để quét: đường dẫn socket, hoặc máy:cổng.",
        en="Where clamd takes files to scan: the path of its socket, or host:port.",
    )
    scan_command: tuple[str, ...] = setting(
        (),
        vi="Hoặc lệnh quét, được thêm đường dẫn tệp ở cuối; mã thoát 0: sạch, 1: có mã độc, khác: không kết luận được.",
        en="Or a command that scans, given the file's path last; exit status 0: clean, 1: infected, else it cannot tell.",
    )
    scan_s: float = setting(
        300.0,
        at_least=1,
        at_most=3600,
        vi="Chờ kết quả quét nhiều nhất, giây.",
        en="The longest wait for a scan, seconds.",
    )
    unscanned: UnscannedFiles = setting(
        UnscannedFiles.HOLD,
        vi="Tệp chưa quét được: hold (tạm giữ thông điệp) hay accept (nhận kèm lưu ý).",
        en="A file that could not be scanned: hold (the message waits) or accept (with a remark).",
    )
    sweep_s: float = setting(
        600.0,
        at_least=1,
        at_most=86_400,
        vi="Chu kỳ “work” xóa tệp quá hạn và quét lại tệp chưa quét được, giây.",
        en="How often `work` takes away what is over and scans again what could not be scanned, seconds.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSettings:
    """One dated trust tree: whose certificates are believed, and from when to when."""

    name: str = setting(
        pattern=r"[a-z0-9][a-z0-9-]{0,39}",
        vi="Tên cây, để hồ sơ của bên nhắc tới.",
        en="The tree's name, as party profiles call it.",
    )
    files: tuple[Path, ...] = setting(
        vi="Các tệp PEM, DER hoặc PKCS#12 không mật khẩu: chứng thư gốc và trung gian.",
        en="Files in PEM, DER or PKCS#12 without a password: roots and intermediates.",
    )
    crls: tuple[Path, ...] = setting(
        (), vi="Các tệp danh sách thu hồi (CRL) để sẵn.", en="Revocation lists (CRL) kept as files."
    )
    crl_urls: tuple[str, ...] = setting(
        (),
        pattern=r"https?://\S+",
        vi="Địa chỉ CRL, hỏi thêm ngoài địa chỉ ghi trong chứng thư.",
        en="Addresses of CRLs, asked beside those that certificates name.",
    )
    ocsp_url: str | None = setting(
        None,
        pattern=r"https?://\S+",
        vi="Địa chỉ OCSP, hỏi thay cho địa chỉ ghi trong chứng thư.",
        en="The OCSP address, asked instead of the one in the certificate.",
    )
    follow_certificates: bool = setting(
        True,
        vi="Hỏi các địa chỉ CRL, OCSP ghi trong chứng thư.",
        en="Whether the CRL and OCSP addresses in certificates are asked.",
    )
    valid_from: datetime | None = setting(None, vi="Được dùng từ thời điểm này.", en="In use from this moment.")
    valid_to: datetime | None = setting(None, vi="Được dùng tới thời điểm này.", en="In use until this moment.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    """Certificates: trust trees and what to do while a status is not known."""

    trees: tuple[TreeSettings, ...] = setting(
        (), vi="Các cây tin cậy ([[trust.trees]]).", en="The trust trees ([[trust.trees]])."
    )
    grace_h: float = setting(
        24.0,
        at_least=0,
        at_most=720,
        vi="Khi mất nguồn thu hồi: số giờ tiếp tục tin cậy trả lời tốt gần nhất.",
        en="While a revocation source is down, the last good answer counts this many hours more.",
    )
    evidence_h: float = setting(
        24.0,
        at_least=1,
        at_most=720,
        vi="Số giờ tin cậy CRL hoặc trả lời OCSP không ghi thời hạn (nextUpdate), tính từ lúc lập; "
        "được nửa thời gian thì tra cứu lại.",
        en="A CRL or OCSP answer without an end (nextUpdate) counts this many hours from when it was made; asked again at half.",
    )


class DeadlineHours(StrEnum):
    """Which hours a time limit counts."""

    ELAPSED = "elapsed"  # every hour of the clock
    WORKING = "working"  # hours in which offices are open


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineSettings:
    """How time limits are counted."""

    hand_over_h: float = setting(
        6.0,
        at_least=0.1,
        at_most=240,
        vi="Số giờ để chuyển hồ sơ đầy đủ tới bộ phận xử lý (QĐ 33/2015, Điều 4.3.a).",
        en="Hours until a complete dossier is handed over to the specialised office (Decision 33/2015, Art. 4.3.a).",
    )
    hand_over_in: DeadlineHours = setting(
        DeadlineHours.ELAPSED,
        vi="Đếm giờ trôi qua (elapsed) hay giờ làm việc (working); văn bản không quy định rõ.",
        en="Whether they are hours of the clock (elapsed) or working hours (working); the text does not say.",
    )
    hours: tuple[str, ...] = setting(
        ("07:30-11:30", "13:30-17:00"),
        pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]",
        vi="Giờ làm việc trong ngày, giờ Việt Nam.",
        en="The working hours of a day, Vietnamese time.",
    )
    calendar: Path | None = setting(
        None,
        vi="Tệp lịch làm việc (TOML: weekdays, every_year, since, last_checked, holidays, worked); bỏ trống: lịch Việt Nam "
        "kèm chương trình.",
        en="The calendar file (TOML: weekdays, every_year, since, last_checked, holidays, worked); empty: the Vietnamese one "
        "of the package.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings:
    """Reconciliation by itself, at night."""

    parties: tuple[str, ...] = setting(
        (),
        pattern=r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?",
        vi="Các bên được đối soát mỗi đêm; bỏ trống: không bên nào.",
        en="Parties that are reconciled every night; empty: none.",
    )
    at: str = setting(
        "01:30",
        pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]",
        vi="Từ giờ này, giờ Việt Nam.",
        en="From this time on, Vietnamese time.",
    )
    days: int = setting(
        30,
        at_least=1,
        at_most=3660,
        vi="Số ngày trước hôm nay: đối soát hồ sơ mở trong thời gian đó.",
        en="Dossiers opened within so many days before today.",
    )
    per_second: float = setting(
        5.0, at_least=0.01, at_most=1000, vi="Số lần tra cứu tối đa mỗi giây.", en="Look-ups a second, at most."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """Months that are over, in files of their own."""

    folder: Path | None = setting(
        None,
        vi="Thư mục chứa tệp lưu trữ từng tháng; bỏ trống: không lưu trữ. Mọi máy phải truy cập cùng một thư mục.",
        en="The folder of the months' archives; empty: none. Every node has to see the same folder.",
    )
    after_months: int | None = setting(
        None,
        at_least=1,
        at_most=1200,
        vi="Số tháng đã qua mà “work” tự lưu trữ; bỏ trống: chỉ lưu trữ khi có lệnh.",
        en="`work` archives months that have been over for so many months; empty: only when it is told to.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """Acts that need a second person."""

    above: int | None = setting(
        None,
        at_least=1,
        vi="Đợt có nhiều việc hơn số này phải được người khác duyệt; bỏ trống: không cần.",
        en="A batch of more things than this needs another person's approval; empty: none does.",
    )


_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """One channel of notices: e-mail (host, sender, to), a signed webhook (url) or a command (command)."""

    name: str = setting(
        pattern=r"[a-z0-9][a-z0-9-]{0,39}",
        vi="Tên kênh.",
        en="The channel's name.",
    )
    severity: Urgency = setting(
        Urgency.TODAY,
        vi="Báo từ mức này trở lên: now (ngay), today (hôm nay), later (sau).",
        en="The least urgent that is told: now, today, later.",
    )
    alarms: tuple[Alarm, ...] = setting(
        (), vi="Chỉ các loại việc này; bỏ trống: mọi loại.", en="Only these kinds of alerts; empty: all."
    )
    quiet: str | None = setting(
        None,
        pattern=rf"{_HOUR}-{_HOUR}",
        vi="Giờ yên lặng, giờ Việt Nam, ví dụ 22:00-06:00: tin chờ tới khi hết giờ này.",
        en="Quiet hours, Vietnamese time, for example 22:00-06:00: notices wait until they are over.",
    )
    quiet_urgent: bool = setting(
        True,
        vi="Trong giờ yên lặng vẫn báo việc gấp (now).",
        en="Whether what is urgent (now) is told in quiet hours too.",
    )
    summary_at: str | None = setting(
        None,
        pattern=_HOUR,
        vi="Mỗi ngày báo tình hình vào giờ này, giờ Việt Nam; bỏ trống: không.",
        en="The time of the daily summary, Vietnamese time; empty: none.",
    )
    timeout_s: float = setting(
        30.0, at_least=0.1, at_most=600, vi="Thời gian cho một lần gửi, giây.", en="One sending, seconds."
    )
    secret_file: Path | None = setting(
        None,
        vi="Tệp chứa mật khẩu thư hoặc khóa ký webhook (quyền 600).",
        en="A file that holds the mail password or the webhook's signing secret (mode 600).",
    )
    secret_env: str | None = setting(
        None,
        vi="Tên biến môi trường chứa mật khẩu thư hoặc khóa ký webhook.",
        en="The environment variable that holds the mail password or the webhook's signing secret.",
    )
    host: str | None = setting(None, vi="Máy chủ thư.", en="The mail server.")
    port: int = setting(587, at_least=1, at_most=65535, vi="Cổng của máy chủ thư.", en="Its port.")
    tls: str = setting(
        "starttls",
        among=("starttls", "tls", "none"),
        vi="starttls (bắt buộc, không có thì không gửi), tls (ngay từ đầu) hoặc none (không mã hóa, không mật khẩu).",
        en="starttls (demanded: without it nothing is sent), tls (from the beginning) or none (in the clear, no password).",
    )
    user: str | None = setting(None, vi="Tài khoản ở máy chủ thư.", en="The account at the mail server.")
    sender: str | None = setting(
        None, pattern=r"[^\s@<>]+@[^\s@<>]+", vi="Địa chỉ người gửi.", en="The sender's address."
    )
    to: tuple[str, ...] = setting(
        (), pattern=r"[^\s@<>]+@[^\s@<>]+", vi="Các địa chỉ người nhận.", en="The addresses of those it is to."
    )
    ca: Path | None = setting(
        None,
        vi="Chỉ tin các tổ chức chứng thực trong tệp này (thư, webhook); bỏ trống: theo hệ điều hành.",
        en="The only authorities believed (mail, webhook), PEM or DER; empty: the system's.",
    )
    url: str | None = setting(None, pattern=r"https?://\S+", vi="Địa chỉ webhook.", en="The webhook's address.")
    command: tuple[str, ...] = setting(
        (),
        vi="Lệnh và tham số, chạy không qua shell; tin là JSON ở đầu vào chuẩn.",
        en="A command and its arguments, run without a shell; the notice is JSON on its standard input.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """How persons are told who are not looking."""

    channels: tuple[ChannelSettings, ...] = setting(
        (), vi="Các kênh báo tin ([[notify.channels]]).", en="The channels of notices ([[notify.channels]])."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """Where `lienthong backup` writes."""

    folder: Path = setting(
        Path("backups"),
        vi="Thư mục bản sao lưu, nên ở đĩa khác; mỗi bản có đủ dữ liệu cá nhân nên chỉ tài khoản của trục đọc được.",
        en="Folder of the backups, better on another disk; each holds all personal data, so only the gateway's account reads it.",
    )
    keep: int = setting(
        14,
        at_least=0,
        at_most=10_000,
        vi="Số bản mới nhất được giữ trong thư mục; 0: giữ tất cả.",
        en="So many of the newest are kept in the folder; 0: all.",
    )
    every_hours: int | None = setting(
        None,
        at_least=1,
        at_most=87_600,
        vi="Cảnh báo khi lần sao lưu gần nhất đã quá số giờ này, hoặc không đọc được trong thư mục; bỏ trống: chỉ cảnh báo khi "
        "sao lưu không thành công.",
        en="An alert when the last backup is older than so many hours, or cannot be read in the folder; empty: only when one "
        "failed.",
    )
    with_files: bool = setting(
        False,
        vi="Chép cả các tệp mà thông điệp dẫn tới và tệp lưu trữ từng tháng vào thư mục của bản sao lưu, mỗi tệp một lần, trong "
        "thư mục riêng của trục.",
        en="Copy the files that messages name and the archives of months into the backup's folder, too, each once, into folders "
        "of this gateway's own.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSettings:
    """Document schemas beside those in the package."""

    declarations: Path | None = setting(
        None, vi="Thư mục XSD tờ khai theo thủ tục.", en="Folder with declaration schemas, one for each procedure."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Where the party profiles are written."""

    folder: Path = setting(
        Path("parties"),
        vi="Thư mục tệp hồ sơ các bên (parties/*.toml).",
        en="Folder of the party profiles (parties/*.toml).",
    )
    reload_s: float = setting(
        5.0,
        at_least=0.1,
        at_most=3600,
        vi="Chu kỳ tiến trình nhận kiểm tra lại sổ đăng ký, giây.",
        en="Workers look for a new registry version this often, seconds.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """The console `/ban-truc`: pages for persons."""

    host: str = setting(
        "127.0.0.1", vi="Địa chỉ lắng nghe của bàn trực.", en="The address that the console listens on."
    )
    port: int = setting(
        8320,
        at_least=0,
        at_most=65535,
        vi="Cổng của bàn trực; 0: cổng trống bất kỳ.",
        en="The console's port; 0: any free one.",
    )
    tls: bool = setting(
        False,
        vi="Dùng TLS với chứng thư của web.tls_certificate.",
        en="Speak TLS with the certificate of web.tls_certificate.",
    )
    public_url: str | None = setting(
        None,
        pattern=r"https?://\S+",
        vi="Địa chỉ mà trình duyệt gọi, khi có proxy phía trước; bắt đầu bằng https thì phiên chỉ đi qua TLS.",
        en="The address that browsers call, where a proxy stands in front; if it begins with https, sessions go over TLS only.",
    )
    session_h: float = setting(
        10.0,
        at_least=0.1,
        at_most=168,
        vi="Số giờ tối đa của một phiên đăng nhập.",
        en="A session lasts this many hours at most.",
    )
    session_idle_min: float = setting(
        30.0,
        at_least=1,
        at_most=1440,
        vi="Số phút không sử dụng mà phiên hết hạn.",
        en="A session that is not used for this many minutes is over.",
    )
    identity_header: str | None = setting(
        None,
        pattern=r"[A-Za-z][A-Za-z0-9-]{0,63}",
        vi="Trường phần đầu mà proxy ghi tên người đã đăng nhập ở đó; chỉ tin từ console.proxies. Proxy phải bỏ trường này "
        "khi bên ngoài tự ghi.",
        en="The header in which a proxy names who logged in there; believed from console.proxies alone. The proxy must drop "
        "what comes so from outside.",
    )
    proxies: tuple[str, ...] = setting(
        (),
        vi="Địa chỉ hay dải mạng của proxy được tin về tên người và địa chỉ gọi (X-Forwarded-For).",
        en="Addresses or networks of proxies that are believed about persons and where a call comes from (X-Forwarded-For).",
    )
    public: bool = setting(
        False,
        vi="Mở trang thống kê công khai /ban-truc/cong-khai, không cần đăng nhập.",
        en="Open the page of statistics for everybody, /ban-truc/cong-khai, without logging in.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The technical log, on standard error. Never personal data, never bodies."""

    level: str = setting("INFO", among=("DEBUG", "INFO", "WARNING", "ERROR"), vi="Mức ghi.", en="The level.")
    form: str = setting(
        "text",
        among=("text", "json"),
        vi="Dạng: text cho người, json cho máy.",
        en="The form: text for people, json for machines.",
    )


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """Where a value came from."""

    kind: str  # "default", "file", "environment", "command line"
    place: str = ""  # "lienthong.toml:12", "LIENTHONG_WEB_PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that concerns this node."""

    node: NodeSettings = field(default_factory=NodeSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    key: KeySettings = field(default_factory=KeySettings)
    web: WebSettings = field(default_factory=WebSettings)
    door: DoorSettings = field(default_factory=DoorSettings)
    limits: DocumentLimits = field(default_factory=DocumentLimits)
    allowance: NodeAllowance = field(default_factory=NodeAllowance)
    work: WorkSettings = field(default_factory=WorkSettings)
    proxy: ProxySettings = field(default_factory=ProxySettings)
    files: FileSettings = field(default_factory=FileSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    schemas: SchemaSettings = field(default_factory=SchemaSettings)
    rules: RuleSettings = field(default_factory=RuleSettings)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    parties: RegistrySettings = field(default_factory=RegistrySettings)
    reconcile: ReconcileSettings = field(default_factory=ReconcileSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    operators: Mapping[str, OperatorRole] = setting(
        {},
        vi="Tài khoản hệ điều hành = vai trò (viewer, auditor, operator, approver, administrator). "
        "Để trống: chủ của tệp cấu hình là administrator.",
        en="Account of the operating system = role (viewer, auditor, operator, approver, administrator). "
        "Empty: whoever owns the configuration file is administrator.",
    )
    approval: ApprovalSettings = field(default_factory=ApprovalSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    log: LogSettings = field(default_factory=LogSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings in force, and where each came from."""

    settings: Settings
    file: Path | None
    base: Path  # the folder that paths are relative to
    origins: Mapping[str, SettingOrigin]  # "web.port" -> where it came from
    notes: tuple[Problem, ...] = ()

    def origin(self, key: str) -> SettingOrigin:
        """Where this setting came from; a default unless something set it."""
        return self.origins.get(key, SettingOrigin("default"))


SECTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "node": ("Thông tin nhận biết máy này.", "Who this node is."),
        "database": ("Nơi lưu dữ liệu.", "Where everything is recorded."),
        "key": (
            "Khóa ký của trục: xác nhận tiếp nhận thông điệp, thông điệp lập thay, đầu nhật ký.",
            "The gateway's signing key.",
        ),
        "web": ("Máy chủ HTTP nhận REST và SOAP.", "The HTTP server for REST and SOAP."),
        "door": ("Giới hạn và thời gian chờ khi tiếp nhận.", "Limits and patience at the door."),
        "limits": ("Giới hạn của một tài liệu XML.", "The budgets of one XML document."),
        "allowance": ("Hạn mức gửi của mỗi bên.", "How much each party may send."),
        "work": (
            "Tiến trình gửi thông điệp đi, xét lại, theo dõi thời hạn.",
            "The process that delivers, judges again and watches.",
        ),
        "proxy": ("Máy chủ ủy nhiệm để ra ngoài.", "The proxy to the world outside."),
        "files": ("Tệp gửi kèm ngoài thông điệp.", "Files beside messages."),
        "trust": ("Chứng thư và cây tin cậy.", "Certificates and trust trees."),
        "schemas": ("Lược đồ bổ sung ngoài chương trình.", "Schemas beside those in the package."),
        "rules": (
            "Các quy tắc ngoài lược đồ (docs/vi/messages.md).",
            "The rules beyond the schema (docs/en/messages.md).",
        ),
        "deadlines": ("Cách đếm thời hạn.", "How time limits are counted."),
        "parties": ("Nơi đặt hồ sơ các bên.", "Where the party profiles are written."),
        "reconcile": ("Đối soát mỗi đêm.", "Reconciliation every night."),
        "backup": ("Nơi ghi bản sao lưu.", "Where backups are written."),
        "archive": ("Lưu trữ từng tháng thành tệp.", "Months that are over, in files."),
        "operators": ("Quyền của người dùng ở dòng lệnh.", "Who may do what at the command line."),
        "approval": ("Đợt nào cần người thứ hai duyệt.", "Which batches need a second person."),
        "console": ("Bàn trực, các trang cho người trực.", "The console, pages for persons."),
        "notify": ("Báo tin cho người không ngồi trước màn hình.", "Telling persons who are not looking."),
        "log": ("Nhật ký kỹ thuật.", "The technical log."),
    }
)


_TABLES: Final = frozenset({"trust.trees", "notify.channels"})  # written as tables of their own


def example(lang: Lang, values: Mapping[str, Any] | None = None) -> str:
    """A configuration file that explains every setting; those of ``values`` (dotted keys) are set, others commented."""
    values = values or {}
    lines: list[str] = []
    section = ""
    for key, f, value in leaves(Settings()):
        head, _, name = key.rpartition(".")
        if (head or key) != section:
            section = head or key
            lines += ["", f"# {SECTIONS[section][lang is Lang.EN]}", f"[{section}]"]
        lines += [f"# {setting_meaning(f, lang)}"]
        if not head:
            lines += [f"{_toml_key(name)} = {_toml(item)}" for name, item in values.get(key, {}).items()]
        elif key in values:
            lines.append(f"{name} = {_toml(values[key])}")
        elif key not in _TABLES:
            lines.append(f"#{name} = {'…' if value is None else _toml(value)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _toml_key(name: str) -> str:
    """An account may be called lan.nguyen or lan@so.vn; written bare, the first would be a table and the second no TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a TOML basic string


def find(start: Path, named: Path | None = None) -> Path | None:
    """The configuration file: the named one, or ``lienthong.toml`` in ``start`` or above it; None if there is none."""
    if named is not None:
        return named
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def load(
    file: Path | None, env: Mapping[str, str] | None = None, given: Mapping[str, Any] | None = None
) -> LoadedSettings:
    """The settings of a node: defaults, then the file, then the environment, then what the command line gave.

    ``given`` maps dotted keys to values. Raises Stopped with every mistake: SYS-010 no such file, SYS-011 not TOML,
    SYS-012 to SYS-018 and SYS-024 what a setting may not be.
    """
    env = os.environ if env is None else env
    base = file.resolve().parent if file is not None else Path.cwd()
    written = _written(file)
    origins = {dotted(key): SettingOrigin("file", f"{written.file}:{at.line}") for key, at in written.places.items()}
    data = _copy(written.data)
    for variable, key, snippet in _from_environment(env):
        decode_toml(Settings, snippet, base=base)
        _set(data, key, snippet.data)
        origins[dotted(key)] = SettingOrigin("environment", variable)
    settings = decode_toml(Settings, Written(written.file, data, written.places), base=base)
    for name, value in (given or {}).items():
        settings = _replaced(settings, tuple(name.split(".")), value)
        origins[name] = SettingOrigin("command line")
    settings = _anchored(settings, base)
    if problems := [*validate(settings, written)]:
        raise Stopped(*problems)
    return LoadedSettings(
        settings=settings,
        file=file.resolve() if file is not None else None,
        base=base,
        origins=MappingProxyType(origins),
        notes=tuple(_unknown_variables(env)),
    )


@dataclass(frozen=True, slots=True)
class _Clash:
    """A rule across two settings of one node: what must not be, and how that is said."""

    one: str
    other: str
    when: Callable[[Settings], bool]
    vi: str
    en: str


_CLASHES: Final = (
    _Clash(
        "web.tls_certificate",
        "web.tls_key",
        lambda s: (s.web.tls_certificate is None) != (s.web.tls_key is None),
        "phải có cả hai hoặc không có",
        "both or neither",
    ),
    _Clash(
        "web.client_ca",
        "web.tls_certificate",
        lambda s: s.web.client_ca is not None and s.web.tls_certificate is None,
        "chứng thư máy khách cần TLS",
        "client certificates need TLS",
    ),
    _Clash(
        "key.certificate",
        "key.file",
        lambda s: s.key.module is None and s.key.file is None and s.key.certificate is not None,
        "chứng thư không có khóa",
        "a certificate without its key",
    ),
    _Clash(
        "key.module",
        "key.file",
        lambda s: s.key.module is not None and s.key.file is not None,
        "khóa nằm ở một nơi",
        "a key lies in one place",
    ),
    _Clash(
        "key.module",
        "key.token",
        lambda s: (s.key.module is None) != (s.key.token is None),
        "phải có cả hai hoặc không có",
        "both or neither",
    ),
    _Clash(
        "key.module",
        "key.label",
        lambda s: (s.key.module is None) != (s.key.label is None),
        "phải có cả hai hoặc không có",
        "both or neither",
    ),
    _Clash(
        "web.tls_password_file",
        "web.tls_password_env",
        lambda s: s.web.tls_password_file is not None and s.web.tls_password_env is not None,
        "chỉ dùng một nguồn mật khẩu",
        "only one source of the password",
    ),
    _Clash(
        "key.password_file",
        "key.password_env",
        lambda s: s.key.password_file is not None and s.key.password_env is not None,
        "chỉ dùng một nguồn mật khẩu",
        "only one source of the password",
    ),
    _Clash(
        "proxy.password_file",
        "proxy.password_env",
        lambda s: s.proxy.password_file is not None and s.proxy.password_env is not None,
        "chỉ dùng một nguồn mật khẩu",
        "only one source of the password",
    ),
    _Clash(
        "proxy.user",
        "proxy.url",
        lambda s: s.proxy.url is None and any((s.proxy.user, s.proxy.password_file, s.proxy.password_env)),
        "tài khoản của máy chủ ủy nhiệm nào",
        "an account at which proxy",
    ),
    _Clash(
        "proxy.user",
        "proxy.password_file",
        lambda s: s.proxy.user is None and bool(s.proxy.password_file or s.proxy.password_env),
        "mật khẩu của tài khoản nào",
        "a password of which account",
    ),
    _Clash(
        "console.tls",
        "web.tls_certificate",
        lambda s: s.console.tls and s.web.tls_certificate is None,
        "TLS của bàn trực cần chứng thư",
        "the console's TLS needs the certificate",
    ),
    _Clash(
        "console.identity_header",
        "console.proxies",
        lambda s: s.console.identity_header is not None and not s.console.proxies,
        "phải nói proxy nào được tin",
        "say which proxies are believed",
    ),
    _Clash(
        "limits.text_bytes",
        "limits.body_bytes",
        lambda s: s.limits.text_bytes > s.limits.body_bytes,
        "một đoạn văn bản không dài hơn cả thông điệp",
        "a text is not longer than its message",
    ),
    _Clash(
        "database.lock_s",
        "database.silence_s",
        lambda s: s.database.lock_s >= s.database.silence_s,
        "chờ khóa phải ngắn hơn chờ máy chủ",
        "a lock is waited for less long than the server",
    ),
    _Clash(
        "database.wait_s",
        "web.boot_s",
        lambda s: s.database.wait_s >= s.web.boot_s,
        "tiến trình phải được chờ lâu hơn thời gian chờ cơ sở dữ liệu",
        "a process is given longer than it waits for its database",
    ),
    _Clash(
        "door.wait_s",
        "door.exchange_s",
        lambda s: s.door.wait_s >= s.door.exchange_s,
        "cả lượt trao đổi phải dài hơn thời gian chờ",
        "an exchange must last longer than its wait",
    ),
    _Clash(
        "files.clamd",
        "files.scan_command",
        lambda s: s.files.clamd is not None and bool(s.files.scan_command),
        "chỉ đặt một cách quét",
        "one way to scan is enough",
    ),
    _Clash(
        "door.big_bytes",
        "limits.body_bytes",
        lambda s: s.door.big_bytes > s.limits.body_bytes,
        "ngưỡng lớn không vượt độ dài tối đa",
        "the threshold does not exceed the longest message",
    ),
    _Clash(
        "work.recheck_s",
        "work.hold_for_h",
        lambda s: s.work.recheck_s >= s.work.hold_for_h * 3600,
        "phải xét lại ít nhất một lần trước khi hết thời hạn tạm giữ",
        "a held message is judged again at least once before its time is up",
    ),
    _Clash(
        "work.claim",
        "work.deliveries",
        lambda s: s.work.claim > s.work.deliveries,
        "không nhận nhiều việc hơn số lượt gửi đồng thời",
        "no more is leased than can be under way",
    ),
)


def validate(settings: Settings, written: Written) -> Iterable[Problem]:
    """The rules across settings."""
    for rule in _CLASHES:
        if rule.when(settings):
            yield _clash(written, rule.one, rule.other, rule.vi, rule.en)
    yield from _proxies(settings, written)
    yield from _endings(settings, written)
    yield from _working_hours(settings, written)
    yield from _severities(settings, written)
    yield from _twice_named(written, "trust", "trees", "trust tree", [tree.name for tree in settings.trust.trees])
    yield from _channels(settings, written)
    if _has_password(str(_in(written.data, "database").get("url", ""))):  # one from the environment is allowed
        yield written.problem("SYS-024", ("database", "url"))


def _clash(written: Written, one: str, other: str, vi: str, en: str) -> Problem:
    return written.problem("SYS-018", tuple(one.split(".")), other=other, rule_vi=vi, rule_en=en)


def _proxies(settings: Settings, written: Written) -> Iterable[Problem]:
    named = {
        ("door", "trusted_proxies"): settings.door.trusted_proxies,
        ("console", "proxies"): settings.console.proxies,
    }
    for key, addresses in named.items():
        for number, address in enumerate(addresses):
            try:
                ipaddress.ip_network(address, strict=False)
            except ValueError:
                yield written.problem("SYS-017", (*key, number), value=address, pattern="10.0.0.0/8, ::1")


def _endings(settings: Settings, written: Written) -> Iterable[Problem]:
    door = settings.door
    for table, endings in (("deprecated", door.deprecated), ("sunset", door.sunset)):
        for address in endings:
            if not any(address == one or address.startswith(f"{one}/") for one in INTERFACES):
                nearest_ = nearest(address, INTERFACES) or INTERFACES[0]
                yield written.problem("SYS-012", ("door", table, address), nearest=nearest_, known=INTERFACES)
    for address, end in door.sunset.items():
        if address not in door.deprecated or end < door.deprecated[address]:
            vi, en = "không sớm hơn lúc bắt đầu báo bỏ", "no earlier than deprecated says"
            yield _clash(written, "door.sunset", "door.deprecated", vi, en)


def _working_hours(settings: Settings, written: Written) -> Iterable[Problem]:
    spans = [span.split("-") for span in settings.deadlines.hours]
    if not spans:
        yield written.problem("SYS-016", ("deadlines", "hours"))
    for number, (opens, closes) in enumerate(spans):
        if closes <= opens or (number and opens < spans[number - 1][1]):
            vi, en = "giờ làm việc theo thứ tự, không chồng nhau", "working hours stand in order and do not overlap"
            yield _clash(written, "deadlines.hours", "deadlines.hours", vi, en)


def _severities(settings: Settings, written: Written) -> Iterable[Problem]:
    if not settings.rules.severity:
        return
    from schemas.rules import settable_rules, strange_rules  # noqa: PLC0415 - all the XML there is; most nodes set no severity

    for name in strange_rules(settings.rules.severity):
        known = settable_rules()
        meant = nearest(name.rpartition(".")[2], known)
        yield written.problem("SYS-012", ("rules", "severity", name), nearest=meant or "–", known=known)


def _twice_named(written: Written, section: str, table: str, what: str, names: list[str]) -> Iterable[Problem]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield written.problem(
                "SYS-025",
                (section, table, number, "name"),
                what=what,
                value=name,
                first=f"{table}[{names.index(name) + 1}]",
                second=f"{table}[{number + 1}]",
            )


def _channels(settings: Settings, written: Written) -> Iterable[Problem]:
    """Each channel is one of the three ways, and has what that way needs."""
    listed = settings.notify.channels
    yield from _twice_named(written, "notify", "channels", "notice channel", [one.name for one in listed])
    for number, one in enumerate(listed):
        wrong = _of_channel(one)
        if wrong is not None:
            name, other, vi, en = wrong
            at = ("notify", "channels", number, name)
            yield written.problem("SYS-018", at, other=f"notify.channels.{other}", rule_vi=vi, rule_en=en)


def _of_channel(one: ChannelSettings) -> tuple[str, str, str, str] | None:
    """The setting that clashes, with which other, and the rule."""
    has_secret = one.secret_file is not None or one.secret_env is not None
    rules = (
        (
            (one.host is not None) + (one.url is not None) + bool(one.command) != 1,
            ("host", "url", "một kênh có đúng một trong host, url, command", "a channel has one of host, url, command"),
        ),
        (
            one.secret_file is not None and one.secret_env is not None,
            ("secret_file", "secret_env", "chỉ dùng một nguồn bí mật", "only one source of the secret"),
        ),
        (
            one.host is not None and (one.sender is None or not one.to),
            ("sender", "to", "thư cần người gửi và người nhận", "a letter needs a sender and somebody it is to"),
        ),
        (
            one.url is not None and not has_secret,
            ("url", "secret_file", "webhook phải có khóa ký", "a webhook needs its signing secret"),
        ),
        (
            one.host is not None and (one.user is None) == has_secret,
            ("user", "secret_file", "tài khoản và mật khẩu đi cùng nhau", "an account and its password go together"),
        ),
        (
            one.tls == "none" and one.user is not None,
            (
                "tls",
                "user",
                "không đưa mật khẩu qua kết nối không mã hóa",
                "no password goes over a connection in the clear",
            ),
        ),
    )
    return next((clash for broken, clash in rules if broken), None)


def channel_secret(one: ChannelSettings) -> str | None:
    """A channel's password or signing secret, read now. Raises Stopped (SYS-020, SYS-022, SYS-023)."""
    found = key_password(one.secret_file, one.secret_env, "notify.channels.secret_file", one.secret_file)
    return None if found is None else found.decode()


def in_environment() -> frozenset[KeyPath]:
    """The settings that an environment variable can set: all but tables; lists are written with commas."""
    return frozenset(key for key, _ in _variables().values())


def variable(key: KeyPath) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + "_".join(str(part) for part in key).upper()


def database_url(settings: Settings) -> str:
    """The database's address with its password, which the file does not hold. Raises Stopped(SYS-020)."""
    database = settings.database
    password = None
    if database.password_file is not None:
        password = node_secret(database.password_file, "database.password_file")
    if password is None or "://" not in database.url:
        return database.url
    scheme, _, rest = database.url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user}:{quote(password, safe='')}{at}{place}" if at else database.url


def node_secret(file: Path, key: str) -> str:
    """The first line of a secret file. Raises Stopped: SYS-020 unreadable, SYS-023 readable by others."""
    try:
        mode = file.stat().st_mode & 0o777
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error)
        raise Stopped(
            Problem("SYS-020", {"path": str(file), "key": key, "file": CONFIG_NAME, "reason": reason})
        ) from error
    if mode & 0o077 and os.name == "posix":
        raise Stopped(Problem("SYS-023", {"path": str(file), "mode": f"{mode:03o}"}))
    return text.partition("\n")[0].rstrip("\r")


def key_password(file: Path | None, env: str | None, key: str, of: Path | None) -> bytes | None:
    """The password that unlocks a key, from a file or the environment; None where none is named.

    Raises Stopped (SYS-020, SYS-022, SYS-023).
    """
    if file is not None:
        return node_secret(file, key).encode()
    if env is None:
        return None
    if (value := os.environ.get(env)) is None:
        raise Stopped(Problem("SYS-022", {"path": str(of), "reason": f"environment variable {env} is not set"}))
    return value.encode()


def leaves(settings: Settings) -> list[tuple[str, Any, Any]]:
    """Every setting: dotted key, field, value in force."""
    return [(dotted(key), f, value) for key, f, value in flat(settings)]


def _written(file: Path | None) -> Written:
    if file is None:
        return Written("–", {}, {})
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise Stopped(Problem("SYS-010", {"file": str(file)})) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error)
        raise Stopped(
            Problem("SYS-020", {"path": str(file), "key": "--config", "file": str(file), "reason": reason})
        ) from error
    return read_toml(text, str(file))


def _from_environment(env: Mapping[str, str]) -> Iterable[tuple[str, KeyPath, Written]]:
    for name, (key, hint) in _variables().items():
        if name not in env:
            continue
        value = env[name]
        if typing.get_origin(hint) is tuple:
            literal: Any = [piece.strip() for piece in value.split(",") if piece.strip()]
        elif hint in (int, float, bool):
            literal = {"true": True, "false": False}.get(value.lower()) if hint is bool else _number(value)
            literal = value if literal is None else literal
        else:
            literal = value
        nested: Any = literal
        for part in reversed(key):
            nested = {part: nested}
        yield name, key, Written(name, nested, {(): Location(1, 1)})


@cache
def _variables() -> dict[str, tuple[KeyPath, Any]]:
    """Every setting that a variable of the environment can give, by the variable's name."""
    return {variable(key): (key, hint) for key, hint in _scalars(Settings)}


def _scalars(kind: type[Any], key: KeyPath = ()) -> Iterable[tuple[KeyPath, Any]]:
    hints = hints_of(kind)
    for f in fields(kind):
        hint = hints[f.name]
        if is_dataclass(hint):
            yield from _scalars(
                typing.cast("type[Any]", hint), (*key, f.name)
            )  # is_dataclass admits instances; hints are types
            continue
        if typing.get_origin(hint) is tuple and typing.get_args(hint)[0] in (str, Path):
            yield (*key, f.name), hint  # written with commas
            continue
        kinds = [a for a in typing.get_args(hint) if a is not type(None)] or [hint]
        if isinstance(kinds[0], type) and not typing.get_args(kinds[0]) and len(kinds) == 1:
            yield (*key, f.name), kinds[0]


def _unknown_variables(env: Mapping[str, str]) -> Iterable[Problem]:
    known = _variables()
    for name in sorted(env):
        if name.startswith(ENV_PREFIX) and name not in known and name not in OWN_VARIABLES:
            meant = nearest(name, [k.lower() for k in known])
            yield Problem("SYS-029", {"key": name, "nearest": meant.upper() if meant else "–"})


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _copy(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in row.items()}


def _set(data: dict[str, Any], key: KeyPath, source: Mapping[str, Any]) -> None:
    into, value = data, source
    for part in key[:-1]:
        inner = into.setdefault(str(part), {})
        if not isinstance(inner, dict):
            return  # a wrong type in the file: decoding says so
        into, value = inner, value[str(part)]
    into[str(key[-1])] = value[str(key[-1])]


def _replaced(value: Any, key: KeyPath, new: Any) -> Any:
    name = str(key[0])
    return replace(value, **{name: _replaced(getattr(value, name), key[1:], new) if len(key) > 1 else new})


def _anchored(value: Any, base: Path) -> Any:
    """Relative paths that stand in defaults, and SQLite files, taken from the configuration's folder."""
    changes: dict[str, Any] = {}
    for f in fields(value):
        inner = getattr(value, f.name)
        if is_dataclass(inner):
            changes[f.name] = _anchored(inner, base)
        elif isinstance(inner, Path) and not inner.is_absolute():
            changes[f.name] = base / inner
        elif (
            f.name == "url"
            and isinstance(inner, str)
            and inner.startswith("sqlite:///")
            and not inner.startswith("sqlite:////")
        ):
            changes[f.name] = f"sqlite:///{(base / inner.removeprefix('sqlite:///')).resolve()}"
    return replace(value, **changes) if changes else value


def _in(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = data.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _has_password(url: str) -> bool:
    _, _, rest = url.partition("://")
    credentials, at, _ = rest.rpartition("@")
    return bool(at) and ":" in credentials
