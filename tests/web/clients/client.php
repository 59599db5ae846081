<?php
// A PHP agency: SoapClient from the WSDL alone. Arguments: URL, token, message file, dossier code, version (1 or 2), walls.
[, $url, $token, $file, $code, $version] = $argv;
ini_set("soap.wsdl_cache_enabled", "0");
$client = new SoapClient("$url?wsdl", [
    "soap_version" => (int) $version,
    "location" => $url,
    "exceptions" => true,
    "features" => SOAP_SINGLE_ELEMENT_ARRAYS,
    "stream_context" => stream_context_create(["http" => ["header" => "Authorization: Bearer $token"]]),
]);
$message = file_get_contents($file);
$out = ["functions" => count($client->__getFunctions())];
$sent = $client->GuiThongDiep(["NoiDung" => $message])->TraLoi;
$out["sent"] = $sent->KetQua;
$out["receipt"] = hash("sha256", $sent->BienNhan);
$out["repeated"] = $client->GuiThongDiep(["NoiDung" => $message])->TraLoi->LapLai;
$out["checked"] = $client->KiemTraThongDiep(["NoiDung" => "<a/>"])->TraLoi->KetQua;
$out["newest"] = $client->LayCapNhat(["Sau" => 0])->TraLoi->MoiNhat;
$out["original"] = $client->LayThongDiep(["MaThongDiep" => $sent->SoTiepNhan])->TraLoi->NoiDung === $message;
$out["dossier"] = $client->TraCuuHoSo(["MaHoSo" => $code])->TraLoi->MaHoSo;
$out["fate"] = $client->TrangThaiThongDiep(["MaThongDiep" => $sent->MaThongDiep])->TraLoi->KetQua;
$packet = ["MaHoSo" => $code, "NguoiXuLy" => "A", "ThoiDiemXuLy" => "20260116080000", "TrangThai" => "4"];
$rows = $client->CapNhatTienDoHoSoMC(["Goi" => [$packet]])->TraLoi->DanhSachKetQuaGoi->KetQuaGoi;
$out["packet"] = $rows[0]->DanhSachLoi->Loi[0]->MaChiTiet;
$rows = $client->DongBoHoSoMC(["Goi" => [["MaHoSo" => $code, "MaTTHC" => "1", "TenTTHC" => "x", "MaLinhVuc" => "x", "TenLinhVuc" => "x",
    "LoaiDoiTuong" => "1", "NgayTiepNhan" => "x", "TrangThaiHoSo" => "2", "HinhThuc" => "0", "DonViXuLy" => "x"]]])->TraLoi->DanhSachKetQuaGoi->KetQuaGoi;
$out["sync"] = $rows[0]->DanhSachLoi->Loi[0]->MaChiTiet;
try {
    $client->GuiThongDiep(["NoiDung" => "<a/>"]);
} catch (SoapFault $fault) {
    $out["fault"] = $fault->faultcode;
    $found = $fault->detail->LoiXuLy->DanhSachLoi->Loi;  // the detail has no type: one row is no array
    $out["codes"] = array_map(fn($e) => $e->MaChiTiet, is_array($found) ? $found : [$found]);
}
foreach (array_slice($argv, 6) as $wall) {  // "name url token": what is thrown there, as it would stand in a log
    [$name, $where, $other] = explode(" ", $wall);
    $there = new SoapClient("$url?wsdl", ["soap_version" => (int) $version, "location" => $where,
        "stream_context" => stream_context_create(["http" => ["header" => "Authorization: Bearer $other"]])]);
    try {
        $there->GuiThongDiep(["NoiDung" => $message]);
    } catch (SoapFault $fault) {
        $out["walls"][$name] = $fault->getMessage();
    }
}
echo json_encode($out);
