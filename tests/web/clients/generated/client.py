"""What openapi-generator's Python client says of every operation. Arguments: see test_generated_clients.py."""

import datetime as dt
import hashlib
import json
import sys
from pathlib import Path

import truc

url, portal, agency, operator, file, code, user, password = sys.argv[1:]
message = Path(file).read_bytes()


def api(kind, token):
    return getattr(truc, kind)(truc.ApiClient(truc.Configuration(host=url, access_token=token)))


def refused(call):
    try:
        call()
    except truc.ApiException as error:
        return f"{error.status} {json.loads(error.body)['problems'][0]['code']}"
    return "not refused"


good, no = {}, {}
messages = api("MessagesApi", portal)
sent = messages.gui_thong_diep(message)
good["guiThongDiep"] = sent.ket_qua
good["kiemTraThongDiep"] = messages.kiem_tra_thong_diep(message).lap_lai
good["trangThaiThongDiep"] = messages.trang_thai_thong_diep(sent.so_tiep_nhan).danh_sach_hop_thu[0].vi_tri
good["layThongDiep"] = bytes(messages.lay_thong_diep(sent.ma_thong_diep)) == message
good["layBienNhan"] = hashlib.sha256(messages.lay_bien_nhan(sent.so_tiep_nhan)).hexdigest()
page = api("InboxApi", agency).lay_cap_nhat(after=0)
good["layCapNhat"] = page.danh_sach_muc[0].ma_thong_diep == sent.ma_thong_diep
dossier = api("DossiersApi", portal).tra_cuu_ho_so(code)
good["traCuuHoSo"] = dossier.danh_sach_su_kien[0].loai_thong_diep
since, until = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
good["baoCao"] = isinstance(api("DossiersApi", agency).bao_cao(since, until).danh_sach_dong, list)
packet = truc.CapNhatTienDoHoSoMC.from_dict(
    {"MaHoSo": code, "NguoiXuLy": "A", "ThoiDiemXuLy": "20260116080000", "TrangThai": "4"}
)
many = truc.NopGoiRequest(truc.NhieuGoi(DanhSachGoi=[truc.GoiCoKhoa(Goi=packet.to_dict())]))
rows = api("SubmissionsApi", portal).nop_goi("CapNhatTienDoHoSoMC", many).actual_instance
good["nopGoi"] = rows.danh_sach_ket_qua_goi[0].danh_sach_loi[0].ma_chi_tiet
node = api("NodeApi", operator)
good["healthz"], good["readyz"] = node.healthz().status, node.readyz().status
good["metrics"] = "lienthong_http_requests" in node.metrics()
call = truc.LoiGoiDvcqg(username=user, password=password)
good["goiDvcqg"] = api("DvcqgApi", None).goi_dvcqg(call).error_code
good["goiDvcqgTheoDuongDan"] = api("DvcqgApi", None).goi_dvcqg_theo_duong_dan("mapi", "g", call).error_code

tep = b"%PDF-1.7 generated"
digest = hashlib.sha256(tep).hexdigest()
files = api("FilesApi", portal)
good["guiTep"] = files.gui_tep(body=tep).bam_sha256 == digest
good["layTep"] = bytes(files.lay_tep(digest)) == tep
raw = files.gui_tep_without_preload_content(upload_length=len(tep), body=b"")  # in parts: tus; no body comes back
begun = raw.headers["Location"].split("/")[-1]
good["hoiViTri"] = files.hoi_vi_tri_with_http_info(begun).headers["Upload-Offset"]
good["guiTiep"] = files.gui_tiep_with_http_info(begun, 0, tep).headers["Location"].endswith(digest)

no["guiTep"] = refused(lambda: files.gui_tep(repr_digest=f"sha-256=:{'A' * 43}=:", body=tep))
no["layTep"] = refused(lambda: files.lay_tep("0" * 64))
no["guiTiep"] = refused(lambda: files.gui_tiep("khong-co", 0, tep))
no["guiThongDiep"] = refused(lambda: messages.gui_thong_diep(b"<a/>"))
no["kiemTraThongDiep"] = refused(lambda: messages.kiem_tra_thong_diep(b"<a/>"))
no["trangThaiThongDiep"] = refused(lambda: messages.trang_thai_thong_diep("khong-co"))
no["layThongDiep"] = refused(lambda: messages.lay_thong_diep("khong-co"))
no["layBienNhan"] = refused(lambda: messages.lay_bien_nhan("khong-co"))
no["layCapNhat"] = refused(lambda: api("InboxApi", "sai" * 10).lay_cap_nhat())
no["traCuuHoSo"] = refused(lambda: api("DossiersApi", portal).tra_cuu_ho_so("H19.901-260115-9999"))
no["baoCao"] = refused(lambda: api("DossiersApi", portal).bao_cao(since, until))
one = truc.NopGoiRequest(packet)
no["nopGoi"] = refused(lambda: api("SubmissionsApi", portal).nop_goi("CapNhatTienDoHoSoMC", one))
no["metrics"] = refused(api("NodeApi", portal).metrics)
wrong = truc.LoiGoiDvcqg(username=user, password="sai")
no["goiDvcqg"] = api("DvcqgApi", None).goi_dvcqg(wrong).error_code
print(json.dumps({"good": good, "refused": no}))
