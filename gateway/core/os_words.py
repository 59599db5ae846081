"""What the operating system, the database and TLS say, in Vietnamese: their own sentences are English only.

A problem keeps the reason as it was said; the words are put in when somebody reads it in Vietnamese.
"""

from __future__ import annotations

import errno
import os
import re
from functools import cache
from typing import Final

# errno -> what it means to whoever reads the sentence.
ERRNO_WORDS: Final = {
    errno.EPERM: "hệ điều hành không cho phép",
    errno.ENOENT: "không có tệp hoặc thư mục này",
    errno.EINTR: "việc bị ngắt giữa chừng",
    errno.EIO: "lỗi đọc ghi thiết bị",
    errno.ENXIO: "không có thiết bị hoặc địa chỉ này",
    errno.E2BIG: "danh sách tham số quá dài",
    errno.ENOEXEC: "tệp không chạy được",
    errno.EBADF: "tệp không còn mở",
    errno.ECHILD: "không có tiến trình con",
    errno.EAGAIN: "tạm thời chưa dùng được",
    errno.ENOMEM: "không đủ bộ nhớ",
    errno.EACCES: "không có quyền",
    errno.EFAULT: "địa chỉ bộ nhớ sai",
    errno.EBUSY: "đang có chương trình khác dùng",
    errno.EEXIST: "đã có tệp này",
    errno.EXDEV: "nằm trên hai phân vùng khác nhau",
    errno.ENODEV: "không có thiết bị này",
    errno.ENOTDIR: "không phải là thư mục",
    errno.EISDIR: "là thư mục, không phải tệp",
    errno.EINVAL: "tham số không hợp lệ",
    errno.ENFILE: "hệ thống mở quá nhiều tệp",
    errno.EMFILE: "tiến trình mở quá nhiều tệp",
    errno.ETXTBSY: "chương trình trong tệp đang chạy",
    errno.EFBIG: "tệp quá lớn",
    errno.ENOSPC: "đĩa đã đầy",
    errno.ESPIPE: "không đặt lại được vị trí đọc ghi",
    errno.EROFS: "đĩa chỉ cho đọc",
    errno.EMLINK: "quá nhiều liên kết",
    errno.EPIPE: "đầu nhận đã đóng",
    errno.ENAMETOOLONG: "tên tệp quá dài",
    errno.ENOTEMPTY: "thư mục không trống",
    errno.ELOOP: "liên kết trỏ vòng quanh",
    errno.EOVERFLOW: "giá trị quá lớn",
    errno.EILSEQ: "chuỗi byte không hợp lệ",
    errno.ENOTSOCK: "không phải là kết nối mạng",
    errno.EMSGSIZE: "gói tin quá dài",
    errno.EPROTONOSUPPORT: "giao thức không được hỗ trợ",
    errno.EOPNOTSUPP: "thao tác không được hỗ trợ",
    errno.EAFNOSUPPORT: "máy không hỗ trợ loại địa chỉ này",
    errno.EADDRINUSE: "địa chỉ đang có chương trình khác giữ",
    errno.EADDRNOTAVAIL: "địa chỉ này không phải của máy",
    errno.ENETDOWN: "mạng không hoạt động",
    errno.ENETUNREACH: "không có đường tới mạng đó",
    errno.ENETRESET: "mạng ngắt kết nối",
    errno.ECONNABORTED: "kết nối bị hủy",
    errno.ECONNRESET: "đầu kia ngắt kết nối",
    errno.ENOBUFS: "hết bộ đệm mạng",
    errno.EISCONN: "kết nối đã có sẵn",
    errno.ENOTCONN: "chưa kết nối",
    errno.ESHUTDOWN: "kết nối đã đóng",
    errno.ETIMEDOUT: "quá thời gian chờ",
    errno.ECONNREFUSED: "máy kia từ chối kết nối",
    errno.EHOSTDOWN: "máy kia không hoạt động",
    errno.EHOSTUNREACH: "không có đường tới máy kia",
    errno.EALREADY: "việc đó đang được làm",
    errno.EINPROGRESS: "việc đó đang được thực hiện",
    errno.ESTALE: "tệp trên ổ mạng không còn",
    errno.EDQUOT: "hết hạn mức đĩa",
    errno.ECANCELED: "việc bị hủy",
}

# What others say who have no number: name look-ups, TLS, SQLite, and the readers of files of our own.
SAID_WORDS: Final = {
    "Name or service not known": "không tìm thấy tên máy",
    "Temporary failure in name resolution": "tạm thời không tra được tên máy",
    "No address associated with hostname": "tên máy không có địa chỉ",
    "timed out": "quá thời gian chờ",
    "unable to open database file": "không mở được tệp cơ sở dữ liệu",
    "attempt to write a readonly database": "cơ sở dữ liệu chỉ cho đọc",
    "database is locked": "cơ sở dữ liệu đang bị khóa",
    "database or disk is full": "đĩa đã đầy",
    "disk I/O error": "lỗi đọc ghi đĩa",
    "file is not a database": "tệp không phải là cơ sở dữ liệu",
    "database disk image is malformed": "tệp cơ sở dữ liệu đã hỏng",
    "certificate verify failed": "chứng thư không được tin cậy",
    "unable to get local issuer certificate": "không có chứng thư của nơi cấp trong cây tin cậy",
    "unable to get issuer certificate": "không có chứng thư của nơi cấp trong cây tin cậy",
    "unable to verify the first certificate": "máy chủ không gửi chứng thư của nơi cấp",
    "self-signed certificate": "chứng thư tự ký",
    "self-signed certificate in certificate chain": "chuỗi chứng thư kết thúc ở một gốc không được tin cậy",
    "certificate has expired": "chứng thư đã hết hạn",
    "certificate is not yet valid": "chứng thư chưa có hiệu lực",
    "certificate revoked": "chứng thư đã bị thu hồi",
    "Hostname mismatch, certificate is not valid for": "chứng thư không mang tên máy",
    "IP address mismatch, certificate is not valid for": "chứng thư không mang địa chỉ",
    "KEY_VALUES_MISMATCH": "khóa và chứng thư không phải một cặp",
    "NO_START_LINE": "không phải PEM",
    "PEM lib": "không đọc được PEM",
    "not UTF-8": "không phải UTF-8",
    "it is locked by a password, and none is given": "tệp có mật khẩu mà chưa nêu mật khẩu",
    "the password is wrong": "sai mật khẩu",
    "no private key in it": "trong tệp không có khóa bí mật",
    "no certificate in it": "trong tệp không có chứng thư",
    "neither PEM, DER nor PKCS#12": "không phải PEM, DER hay PKCS#12",
    "PKCS#12 that is written oddly; make PEM of it": "PKCS#12 viết không đúng chuẩn; hãy chuyển sang PEM",
    "no base64 between BEGIN and END": "giữa BEGIN và END không phải base64",
    "the key is not that of any certificate in it": "khóa không phải của chứng thư nào trong tệp",
    "certificates in it": "chứng thư trong tệp",
    "of them no authority's": "trong đó không phải của tổ chức chứng thực",
    "stands twice": "đứng hai lần",
}


def system_reason(error: BaseException) -> str:
    """Why it failed, without the path or address that the sentence around it names already."""
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    inner = getattr(error, "os_error", None) or getattr(error, "reason", None)  # aiohttp's, TLS's, urllib's
    if isinstance(inner, str) and inner:
        return inner
    if isinstance(inner, OSError) and inner is not error:
        return system_reason(inner)
    if isinstance(error, OSError):
        number = error.errno or 0
        known = os.strerror(number) if number in errno.errorcode else ""  # asyncio's own sentences name the address
        return known or error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def in_vietnamese(reason: str) -> str:
    """The same reason with what the operating system, the database or TLS said put into Vietnamese words."""
    words, found = _words()
    return found.sub(lambda match: words[match.group()], reason)


@cache
def _words() -> tuple[dict[str, str], re.Pattern[str]]:
    """Every sentence that the system can say: those without words of ours by their names, never in English."""
    words = {os.strerror(number): f"lỗi hệ điều hành {name}" for number, name in errno.errorcode.items()}
    words |= {os.strerror(number): said for number, said in ERRNO_WORDS.items()} | SAID_WORDS
    longest_first = sorted(words, key=len, reverse=True)
    return words, re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
