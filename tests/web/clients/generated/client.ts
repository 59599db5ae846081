// What openapi-generator's TypeScript client (axios) says of every operation. Arguments: see test_generated_clients.py.
import { createHash } from "crypto";
import { readFileSync } from "fs";
import * as truc from "./made";

const [url, portal, agency, operator, file, code, user, password] = process.argv.slice(2);
const message = readFileSync(file) as any; // made for browsers: it asks for a File, and takes bytes
const by = (token?: string) => new truc.Configuration({ basePath: url, accessToken: token });
const bytes = { responseType: "arraybuffer" } as const;

async function refused(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
  } catch (error: any) {
    const body = error.response.data;
    const problem: truc.Problem = body instanceof Buffer ? JSON.parse(body.toString()) : body;
    return `${error.response.status} ${problem.problems[0].code}`;
  }
  return "not refused";
}

async function main() {
  const good: Record<string, unknown> = {};
  const no: Record<string, unknown> = {};
  const messages = new truc.MessagesApi(by(portal));
  const sent = (await messages.guiThongDiep(message)).data;
  good.guiThongDiep = sent.KetQua;
  good.kiemTraThongDiep = (await messages.kiemTraThongDiep(message)).data.LapLai;
  good.trangThaiThongDiep = (await messages.trangThaiThongDiep(sent.SoTiepNhan)).data.DanhSachHopThu![0].ViTri;
  const original = (await messages.layThongDiep(sent.MaThongDiep!, undefined, bytes)).data as any;
  good.layThongDiep = Buffer.from(original).equals(message);
  const receipt = (await messages.layBienNhan(sent.SoTiepNhan, undefined, bytes)).data as any;
  good.layBienNhan = createHash("sha256").update(Buffer.from(receipt)).digest("hex");
  const page = (await new truc.InboxApi(by(agency)).layCapNhat(0)).data;
  good.layCapNhat = page.DanhSachMuc[0].MaThongDiep === sent.MaThongDiep;
  const dossiers = new truc.DossiersApi(by(portal));
  good.traCuuHoSo = (await dossiers.traCuuHoSo(code)).data.DanhSachSuKien![0].LoaiThongDiep;
  const report = (await new truc.DossiersApi(by(agency)).baoCao("2026-01-01", "2026-02-01")).data;
  good.baoCao = Array.isArray(report.DanhSachDong);
  const packet = { MaHoSo: code, NguoiXuLy: "A", ThoiDiemXuLy: "20260116080000", TrangThai: "4" };
  const submissions = new truc.SubmissionsApi(by(portal));
  const many = { DanhSachGoi: [{ Goi: packet }] } as any; // one of several forms: TypeScript has them all in one
  const rows = (await submissions.nopGoi("CapNhatTienDoHoSoMC", many)).data;
  good.nopGoi = rows.DanhSachKetQuaGoi[0].DanhSachLoi![0].MaChiTiet;
  const node = new truc.NodeApi(by(operator));
  good.healthz = (await node.healthz()).data.status;
  good.readyz = (await node.readyz()).data.status;
  good.metrics = (await node.metrics()).data.includes("lienthong_http_requests");
  const dvcqg = new truc.DvcqgApi(by());
  good.goiDvcqg = (await dvcqg.goiDvcqg({ username: user, password })).data.error_code;
  good.goiDvcqgTheoDuongDan = (await dvcqg.goiDvcqgTheoDuongDan("mapi", "g", { username: user, password })).data.error_code;

  const tep = Buffer.from("%PDF-1.7 generated") as any;
  const digest = createHash("sha256").update(tep).digest("hex");
  const files = new truc.FilesApi(by(portal));
  good.guiTep = (await files.guiTep(undefined, undefined, undefined, tep)).data.BamSHA256 === digest;
  good.layTep = Buffer.from((await files.layTep(digest, undefined, undefined, bytes)).data as any).equals(tep);
  const begun = (await files.guiTep(undefined, tep.length)).headers.location.split("/").pop(); // in parts: tus
  good.hoiViTri = (await files.hoiViTri(begun)).headers["upload-offset"];
  good.guiTiep = (await files.guiTiep(begun, 0, tep)).headers.location.endsWith(digest);

  const wrong = Buffer.from("<a/>") as any;
  no.guiTep = await refused(() => files.guiTep(`sha-256=:${"A".repeat(43)}=:`, undefined, undefined, tep));
  no.layTep = await refused(() => files.layTep("0".repeat(64), undefined, undefined, bytes));
  no.guiTiep = await refused(() => files.guiTiep("khong-co", 0, tep));
  no.guiThongDiep = await refused(() => messages.guiThongDiep(wrong));
  no.kiemTraThongDiep = await refused(() => messages.kiemTraThongDiep(wrong));
  no.trangThaiThongDiep = await refused(() => messages.trangThaiThongDiep("khong-co"));
  no.layThongDiep = await refused(() => messages.layThongDiep("khong-co", undefined, bytes));
  no.layBienNhan = await refused(() => messages.layBienNhan("khong-co", undefined, bytes));
  no.layCapNhat = await refused(() => new truc.InboxApi(by("sai".repeat(10))).layCapNhat());
  no.traCuuHoSo = await refused(() => dossiers.traCuuHoSo("H19.901-260115-9999"));
  no.baoCao = await refused(() => dossiers.baoCao("2026-01-01", "2026-02-01"));
  no.nopGoi = await refused(() => submissions.nopGoi("CapNhatTienDoHoSoMC", packet as any));
  no.metrics = await refused(() => new truc.NodeApi(by(portal)).metrics());
  no.goiDvcqg = (await dvcqg.goiDvcqg({ username: user, password: "sai" })).data.error_code;
  console.log(JSON.stringify({ good, refused: no }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
