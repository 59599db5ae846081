// Node ≥ 18, không cần gói nào: ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
// Node ≥ 18, no packages: sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.
//   node gui-ho-so.mjs http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem
//
// Node không có sẵn bộ chuẩn hóa XML. Mẫu ho-so.xml đã ở dạng chuẩn (mỗi tiền tố khai báo nơi nó được dùng lần đầu, không
// thuộc tính, không thực thể), nên băm thẳng chuỗi. Với tài liệu bất kỳ hãy dùng gói xml-crypto.
// Node has no canonicaliser. The form ho-so.xml is canonical as it stands (each prefix declared where it is first used, no
// attributes, no entities), so its text is hashed as it is. For documents of any other shape use the package xml-crypto.
import { createHash, createPrivateKey, randomInt, randomUUID, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

const [url, token, keyFile, certificateFile] = process.argv.slice(2);
const DS = "http://www.w3.org/2000/09/xmldsig#";
const EXC = "http://www.w3.org/2001/10/xml-exc-c14n#";
const DV = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0";

// 1. Điền mẫu. / Fill in the form.
const now = new Date(Date.now() + 7 * 3600e3).toISOString().slice(0, 19) + "+07:00";
const filled = readFileSync(new URL("../ho-so.xml", import.meta.url), "utf8")
  .replaceAll("@MaThongDiep@", randomUUID())
  .replaceAll("@ThoiDiem@", now)
  .replaceAll("@MaHoSo@", `H19.901-${now.slice(2, 10).replaceAll("-", "")}-${String(randomInt(1e7)).padStart(7, "0")}`);
const canonical = filled.slice(filled.indexOf("<lt:ThongDiep")).trimEnd();

/** Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child. */
function signed(text) {
  const key = createPrivateKey(readFileSync(keyFile));
  const ec = key.asymmetricKeyType === "ec";
  const digest = createHash("sha256").update(text).digest("base64");
  const empty = (name, algorithm) => `<ds:${name} Algorithm="${algorithm}"></ds:${name}>`;
  const info = (declaration) =>
    `<ds:SignedInfo${declaration}>` +
    empty("CanonicalizationMethod", EXC) +
    empty("SignatureMethod", `http://www.w3.org/2001/04/xmldsig-more#${ec ? "ecdsa" : "rsa"}-sha256`) +
    `<ds:Reference URI=""><ds:Transforms>${empty("Transform", DS + "enveloped-signature")}${empty("Transform", EXC)}` +
    `</ds:Transforms>${empty("DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256")}` +
    `<ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>`;
  const value = sign("sha256", Buffer.from(info(` xmlns:ds="${DS}"`)), { key, dsaEncoding: "ieee-p1363" });
  const certificate = new X509Certificate(readFileSync(certificateFile)).raw.toString("base64");
  const signature =
    `<ds:Signature xmlns:ds="${DS}">${info("")}<ds:SignatureValue>${value.toString("base64")}</ds:SignatureValue>` +
    `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>`;
  return Buffer.from(text.replace("</lt:ThongDiep>", `${signature}</lt:ThongDiep>`));
}

/** Một lượt gọi. / One call. */
async function call(path, accept, body, headers = { "Content-Type": "application/xml" }) {
  const more = body ? { method: "POST", body } : {};
  const answer = await fetch(url + path, {
    ...more,
    headers: { Authorization: `Bearer ${token}`, Accept: accept, ...(body ? headers : {}) },
    signal: AbortSignal.timeout(60_000),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (!answer.ok) throw new Error(`${answer.status} ${bytes}`);
  return [answer.status, bytes];
}

// 2. REST: 201 và xác nhận tiếp nhận thông điệp có chữ ký. / 201 and a signed receipt.
const message = signed(canonical);
const [status, receipt] = await call("/v1/messages", "application/xml", message);
console.log("REST", status, /KetQua>([A-Z_]+)/.exec(receipt)[1]);

// 3. SOAP: đúng các byte đó, nên đúng xác nhận tiếp nhận thông điệp đó. / The same bytes, so the same receipt.
const envelope =
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GuiThongDiep xmlns="${DV}"><NoiDung>` +
  `${message.toString("base64")}</NoiDung></GuiThongDiep></s:Body></s:Envelope>`;
const action = { "Content-Type": "text/xml; charset=utf-8", SOAPAction: `"${DV}/GuiThongDiep"` };
const [, answer] = await call("/soap", "text/xml", envelope, action);
const same = Buffer.from(/<BienNhan>([^<]+)/.exec(answer)[1], "base64");
if (same.equals(receipt)) console.log("SOAP cùng xác nhận tiếp nhận thông điệp / same receipt");

// 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
let after = 0;
for (;;) {
  const page = JSON.parse((await call(`/v1/inbox?after=${after}&limit=100`, "application/json"))[1]);
  if (!page.DanhSachMuc?.length) break;
  for (const entry of page.DanhSachMuc) {
    const [, original] = await call(entry.DuongDan, "application/xml");
    console.log("HOP THU", entry.ViTri, entry.LoaiThongDiep, original.length, "byte");
    after = entry.ViTri;
  }
}
console.log("XAC NHAN", after);
