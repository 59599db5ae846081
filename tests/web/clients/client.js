// A Node agency: node-soap from the WSDL alone. Arguments: URL, token, message file, dossier code, port name, walls.
const fs = require("fs");
const crypto = require("crypto");
const soap = require("soap");

async function main() {
  const [url, token, file, code, port, ...walls] = process.argv.slice(2);
  const message = fs.readFileSync(file);
  const client = await soap.createClientAsync(`${url}?wsdl`, { forceSoap12Headers: port.endsWith("12") });
  client.setEndpoint(url);
  client.setSecurity(new soap.BearerSecurity(token));
  const call = (name, args) =>
    new Promise((done, fail) =>
      client.TrucLienThong[port][name](args, (error, result) => (error ? fail(error) : done(result.TraLoi))),
    );
  const out = {};
  const b64 = (bytes) => Buffer.from(bytes).toString("base64");
  const sent = await call("GuiThongDiep", { NoiDung: b64(message) });
  out.sent = sent.KetQua;
  out.receipt = crypto.createHash("sha256").update(Buffer.from(sent.BienNhan, "base64")).digest("hex");
  out.checked = (await call("KiemTraThongDiep", { NoiDung: b64("<a/>") })).KetQua;
  out.newest = Number((await call("LayCapNhat", { Sau: 0 })).MoiNhat);
  const got = await call("LayThongDiep", { MaThongDiep: sent.SoTiepNhan });
  out.original = Buffer.from(got.NoiDung, "base64").equals(message);
  out.dossier = (await call("TraCuuHoSo", { MaHoSo: code })).MaHoSo;
  out.fate = (await call("TrangThaiThongDiep", { MaThongDiep: sent.MaThongDiep })).KetQua;
  const packet = { MaHoSo: code, NguoiXuLy: "A", ThoiDiemXuLy: "20260116080000", TrangThai: "4" };
  const rows = await call("CapNhatTienDoHoSoMC", { Goi: [packet] });
  out.packet = [].concat([].concat(rows.DanhSachKetQuaGoi.KetQuaGoi)[0].DanhSachLoi.Loi)[0].MaChiTiet;
  try {
    await call("GuiThongDiep", { NoiDung: b64("<a/>") });
  } catch (error) {
    const fault = error.root.Envelope.Body.Fault;
    out.fault = fault.faultcode || fault.Code.Value;
    out.codes = [].concat((fault.detail || fault.Detail).LoiXuLy.DanhSachLoi.Loi).map((row) => row.MaChiTiet);
  }
  out.walls = {};
  for (const wall of walls) {  // "name url token": what is thrown there, as it would stand in a log
    const [name, where, other] = wall.split(" ");
    client.setEndpoint(where);
    client.setSecurity(new soap.BearerSecurity(other));
    await call("GuiThongDiep", { NoiDung: b64(message) }).catch((error) => (out.walls[name] = error.message));
  }
  console.log(JSON.stringify(out));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
